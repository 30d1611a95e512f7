// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/control.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <vector>

namespace cohort::detail::wire {

/// A whole encoded control frame, without a heap.
class control_frame {
public:
  /// `offer` declares its count of descriptors, every other message none.
  template <class Message>
  explicit control_frame(const Message& message) noexcept;

  std::span<const std::byte> bytes() const noexcept { return {data_.data(), size_}; }
  std::span<const std::byte> payload() const noexcept { return bytes().subspan(header_size); }

private:
  std::array<std::byte, 192> data_; // the largest message is `listen` with 145 bytes of payload
  std::size_t size_ = header_size;
};

/// Appends the payload of `message`, without a header.
template <class Message>
void encode(const Message& message, std::vector<std::byte>& out);

/// Reads a payload that must be exactly one valid `Message`, else `ec` is `protocol_violation`. A
/// hello of another protocol version is understood as far as its version: `version_mismatch`.
template <class Message>
Message decode(std::span<const std::byte> payload, std::error_code& ec) noexcept;

/// Decodes what a worker may send and calls `visitor(message)`, unless `ec` tells an error: an
/// unknown type, a type of the other direction, a malformed payload, wrong descriptors.
template <class Visitor>
void visit_from_worker(const frame_view& frame, Visitor&& visitor, std::error_code& ec);

/// The same for what the primary may send.
template <class Visitor>
void visit_from_primary(const frame_view& frame, Visitor&& visitor, std::error_code& ec);

} // namespace cohort::detail::wire

// Implementation

namespace cohort::detail::wire {

inline address_bytes::address_bytes(std::span<const std::byte> bytes) noexcept
{
  if (bytes.size() > capacity)
    return;
  std::copy(bytes.begin(), bytes.end(), data_.begin());
  size_ = static_cast<std::uint8_t>(bytes.size());
}

/// Writes fields to memory that is large enough.
struct field_writer {
  std::byte* out;

  template <class Number>
  void operator()(const Number& value) noexcept
  {
    if constexpr (std::is_enum_v<Number>) {
      (*this)(static_cast<std::underlying_type_t<Number>>(value));
    } else {
      store_little(out, static_cast<std::make_unsigned_t<Number>>(value));
      out += sizeof(Number);
    }
  }

  void operator()(const address_bytes& value) noexcept
  {
    (*this)(static_cast<std::uint8_t>(value.bytes().size()));
    out = std::copy(value.bytes().begin(), value.bytes().end(), out);
  }
};

/// Reads fields; whether they were all there is the reader's to say.
struct field_reader {
  byte_reader in;
  bool ok = true;

  template <class Number>
  void operator()(Number& value) noexcept
  {
    if constexpr (std::is_enum_v<Number>)
      value = static_cast<Number>(in.number<std::underlying_type_t<Number>>());
    else
      value = static_cast<Number>(in.number<std::make_unsigned_t<Number>>());
  }

  void operator()(address_bytes& value) noexcept
  {
    const std::size_t size = in.number<std::uint8_t>();
    ok = ok && size <= address_bytes::capacity;
    value = address_bytes(in.bytes(size));
  }
};
