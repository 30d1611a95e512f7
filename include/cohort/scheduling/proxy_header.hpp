// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cohort {

/// The client that the first bytes of a connection name: a header of the PROXY protocol, version 1
/// or 2, as load balancers send it. It is only looked at: the worker has to read it as well.
///
/// Source: HAProxy's PROXY protocol.
class proxy_header {
public:
  /// The longest of version 1. What matters of version 2 is shorter.
  static constexpr std::size_t max_size = 107;

  explicit proxy_header(std::span<const std::byte> first_bytes) noexcept { parse(first_bytes); }

  /// Whether nothing that follows would change the answer.
  bool complete() const noexcept { return complete_; }

  /// The client's address: as text in version 1, in network byte order in version 2. Empty when it
  /// is not known: there is no header, it is broken, or the balancer speaks for itself.
  std::span<const std::byte> source() const noexcept { return source_; }

  /// How many bytes the header takes: behind them the client's own begin. 0 when there is none, or
  /// when version 1 does not end where it has to; nothing while that cannot be known yet.
  const std::optional<std::size_t>& size() const noexcept { return size_; }

private:
  void parse(std::span<const std::byte> bytes) noexcept;
  void parse_text(std::span<const std::byte> bytes) noexcept;
  void parse_binary(std::span<const std::byte> bytes) noexcept;
  static bool begins_with(std::span<const std::byte> bytes, std::string_view prefix) noexcept
  {
    const std::size_t size = std::min(bytes.size(), prefix.size());
    return as_text(bytes.first(size)) == prefix.substr(0, size);
  }
  // Every object may be read as characters.
  static std::string_view as_text(std::span<const std::byte> bytes) noexcept
  {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  static constexpr std::string_view text_start_ = "PROXY ";
  static constexpr std::string_view binary_start_{"\r\n\r\n\0\r\nQUIT\n", 12};

  bool complete_ = false;
  std::span<const std::byte> source_;
  std::optional<std::size_t> size_;
};

// Implementation

inline void proxy_header::parse(std::span<const std::byte> bytes) noexcept
{
  if (begins_with(bytes, text_start_)) return parse_text(bytes);
  if (begins_with(bytes, binary_start_)) return parse_binary(bytes);
  complete_ = true;
  size_ = 0;
}

// "PROXY TCP4 192.0.2.1 198.51.100.1 35646 80\r\n"
inline void proxy_header::parse_text(std::span<const std::byte> bytes) noexcept
{
  const std::string_view text = as_text(bytes.first(std::min(bytes.size(), max_size)));
  const std::size_t end = text.find("\r\n");
  complete_ = end != text.npos || text.size() == max_size;
  if (complete_) size_ = end != text.npos ? end + 2 : 0;
  if (end == text.npos) return;
  const std::string_view line = text.substr(0, end);
  std::size_t begin = text_start_.size();
  const std::string_view family = line.substr(begin, 5);
  if (family != "TCP4 " && family != "TCP6 ") return;
  begin += family.size();
  const std::size_t space = line.find(' ', begin);
  if (space != line.npos) source_ = bytes.subspan(begin, space - begin);
}

// The signature, version and command, family and protocol, length, then the addresses.
inline void proxy_header::parse_binary(std::span<const std::byte> bytes) noexcept
{
  constexpr std::size_t head = 16;
  if (bytes.size() < head) return;
  const auto version_and_command = std::to_integer<unsigned>(bytes[12]);
  const auto family = std::to_integer<unsigned>(bytes[13]) >> 4;
  const std::size_t length =
      std::to_integer<std::size_t>(bytes[14]) << 8 | std::to_integer<std::size_t>(bytes[15]);
  size_ = head + length;
  const std::size_t size = family == 1 ? 4 : family == 2 ? 16 : 0;
  // "Local" is the balancer itself, which asks whether anybody is there.
  const bool names_client = version_and_command == 0x21 && size != 0 && length >= size;
  complete_ = !names_client || bytes.size() >= head + size;
  if (names_client && complete_) source_ = bytes.subspan(head, size);
}

} // namespace cohort
