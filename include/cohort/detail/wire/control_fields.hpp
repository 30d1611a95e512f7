// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

// What the messages of the control channel are made of.

namespace cohort::detail::wire {

enum class listen_kind : std::uint8_t {
  tcp = 0,
  unix_stream = 1,
  udp = 2,
  inherited_stream = 3,   ///< A descriptor of the primary, by its number: it listens.
  inherited_datagram = 4, ///< The same: it is bound.
  named_stream = 5,       ///< What a service manager gave the primary, by its name: it listens.
};

/// Whether what is asked for is a descriptor of the primary.
constexpr bool is_inherited(listen_kind kind) noexcept
{
  return kind == listen_kind::inherited_stream || kind == listen_kind::inherited_datagram;
}

/// Whether datagrams come there, and no connections.
constexpr bool is_datagram(listen_kind kind) noexcept
{
  return kind == listen_kind::udp || kind == listen_kind::inherited_datagram;
}

/// Who takes the connections of a listener out of the kernel.
enum class sharing : std::uint8_t {
  offers = 0,     ///< The primary, and offers them.
  one_socket = 1, ///< The workers, from one socket that they share.
  own_socket = 2, ///< Each worker from one of its own; the kernel spreads them.
};

enum class refuse_reason : std::uint8_t { no_room = 1, draining = 2, unusable = 3 };

enum class error_kind : std::uint8_t {
  none = 0,
  system = 1, ///< An errno value.
  cohort = 2, ///< A value of `cohort::error`.
};

/// Bits of `listen::flags`.
inline constexpr std::uint8_t listen_ipv6_only = 1;
inline constexpr std::uint8_t listen_hold_when_empty = 2;
inline constexpr std::uint8_t listen_paced = 4;
inline constexpr std::uint8_t listen_any_host = 8;
inline constexpr std::uint8_t listen_reuse_address = 16;

/// A socket address as the kernel lays it out.
class address_bytes {
public:
  static constexpr std::size_t capacity = 128;

  address_bytes() = default;

  /// Keeps nothing when there are more than `capacity` bytes, which no address has.
  explicit address_bytes(std::span<const std::byte> bytes) noexcept;

  std::span<const std::byte> bytes() const noexcept { return {data_.data(), size_}; }

  friend bool operator==(const address_bytes&, const address_bytes&) = default;

private:
  std::array<std::byte, capacity> data_{};
  std::uint8_t size_ = 0;
};

/// Bytes of which there are not many: a path, or what the program wants to be handed on.
template <std::size_t Capacity>
class bounded_text {
public:
  static constexpr std::size_t capacity = Capacity;

  bounded_text() = default;

  /// Keeps nothing when there are more than `capacity` bytes.
  explicit bounded_text(std::string_view text) : text_(text.size() <= capacity ? text : "") {}

  const std::string& text() const noexcept { return text_; }

  friend bool operator==(const bounded_text&, const bounded_text&) = default;

private:
  std::string text_;
};

/// As long as the kernel takes them.
using path_text = bounded_text<4095>;
/// What the first worker that listens somewhere gives to all that do.
using shared_bytes = bounded_text<4096>;
/// What a program calls a value that it tells of itself, and that value.
using value_name = bounded_text<64>;
using value_text = bounded_text<256>;
/// How many of them a worker may have at a time.
inline constexpr std::size_t max_values = 64;

// Implementation

inline address_bytes::address_bytes(std::span<const std::byte> bytes) noexcept
{
  if (bytes.size() > capacity) return;
  std::copy(bytes.begin(), bytes.end(), data_.begin());
  size_ = static_cast<std::uint8_t>(bytes.size());
}

} // namespace cohort::detail::wire
