// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/bytes.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/detail/wire/frame.hpp>
#include <cohort/error.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

namespace cohort::detail::wire {

/// How many bytes the payload of a `Message` has at most: few, unless it says so.
template <class Message>
constexpr std::size_t largest_payload() noexcept
{
  if constexpr (requires { Message::largest; }) return Message::largest;
  else return 48;
}

/// A whole encoded control frame, without a heap.
template <std::size_t Capacity>
class control_frame {
public:
  /// A message that has `descriptors()` declares so many, every other one none.
  template <class Message>
  explicit control_frame(const Message& message) noexcept;

  std::span<const std::byte> bytes() const noexcept { return {data_.data(), size_}; }
  std::span<const std::byte> payload() const noexcept { return bytes().subspan(header_size); }

private:
  std::array<std::byte, header_size + Capacity> data_;
  std::size_t size_ = header_size;
};

template <class Message>
control_frame(const Message&) -> control_frame<largest_payload<Message>()>;

/// Appends the payload of `message`, without a header.
template <class Message>
void encode(const Message& message, std::vector<std::byte>& out);

/// Reads a payload that must be exactly one valid `Message`, else `ec` is `protocol_violation`. A
/// hello of another protocol version is understood as far as its version: `version_mismatch`.
template <class Message>
Message decode(std::span<const std::byte> payload, std::error_code& ec);

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

  template <std::size_t Capacity>
  void operator()(const bounded_text<Capacity>& value) noexcept
  {
    (*this)(static_cast<std::uint16_t>(value.text().size()));
    out = std::ranges::copy(std::as_bytes(std::span(value.text())), out).out;
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
    else value = static_cast<Number>(in.number<std::make_unsigned_t<Number>>());
  }

  void operator()(address_bytes& value) noexcept
  {
    const std::size_t size = in.number<std::uint8_t>();
    ok = ok && size <= address_bytes::capacity;
    value = address_bytes(in.bytes(size));
  }

  template <std::size_t Capacity>
  void operator()(bounded_text<Capacity>& value)
  {
    const std::size_t size = in.number<std::uint16_t>();
    ok = ok && size <= Capacity;
    const auto bytes = in.bytes(size);
    value = bounded_text<Capacity>(
        std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
};

// How many descriptors travel with it.
template <class Message>
std::size_t descriptors_of(const Message& message) noexcept
{
  if constexpr (requires { message.descriptors(); }) return message.descriptors();
  else return 0;
}

template <std::size_t Capacity>
template <class Message>
inline control_frame<Capacity>::control_frame(const Message& message) noexcept
{
  static_assert(largest_payload<Message>() <= Capacity);
  field_writer writer{data_.data() + header_size};
  Message::fields(message, writer);
  size_ = static_cast<std::size_t>(writer.out - data_.data());
  frame_header header;
  header.length = static_cast<std::uint32_t>(size_ - header_size);
  header.type = static_cast<std::uint16_t>(Message::type);
  header.descriptors = static_cast<std::uint8_t>(descriptors_of(message));
  encode_header(header, std::span<std::byte, header_size>(data_.data(), header_size));
}

template <class Message>
inline void encode(const Message& message, std::vector<std::byte>& out)
{
  const control_frame frame(message);
  out.insert(out.end(), frame.payload().begin(), frame.payload().end());
}

template <class Message>
inline Message decode(std::span<const std::byte> payload, std::error_code& ec)
{
  ec.clear();
  Message message;
  if constexpr (std::same_as<Message, hello>) {
    if (payload.size() >= sizeof(message.protocol) &&
        load_little<std::uint16_t>(payload.data()) != protocol_version) {
      ec = error::version_mismatch;
      return message;
    }
  }
  field_reader reader{byte_reader(payload)};
  Message::fields(message, reader);
  if (!reader.ok || !reader.in.ok() || reader.in.remaining() != 0 || !message.valid())
    ec = error::protocol_violation;
  return message;
}

template <class Message, class Visitor>
inline void visit_as(const frame_view& frame, Visitor& visitor, std::error_code& ec)
{
  const auto message = decode<Message>(frame.payload, ec);
  if (!ec && frame.header.descriptors != descriptors_of(message)) ec = error::protocol_violation;
  if (!ec) visitor(message);
}

template <class Visitor>
inline void visit_from_worker(const frame_view& frame, Visitor&& visitor, std::error_code& ec)
{
  switch (static_cast<message_type>(frame.header.type)) {
  case message_type::hello: return visit_as<hello>(frame, visitor, ec);
  case message_type::listen: return visit_as<listen>(frame, visitor, ec);
  case message_type::close: return visit_as<close>(frame, visitor, ec);
  case message_type::credit: return visit_as<credit>(frame, visitor, ec);
  case message_type::taken: return visit_as<taken>(frame, visitor, ec);
  case message_type::refused: return visit_as<refused>(frame, visitor, ec);
  case message_type::released: return visit_as<released>(frame, visitor, ec);
  case message_type::leaving: return visit_as<leaving>(frame, visitor, ec);
  case message_type::bye: return visit_as<bye>(frame, visitor, ec);
  case message_type::load: return visit_as<load>(frame, visitor, ec);
  case message_type::accepted: return visit_as<accepted>(frame, visitor, ec);
  case message_type::listening: return visit_as<listening>(frame, visitor, ec);
  case message_type::ready: return visit_as<ready>(frame, visitor, ec);
  case message_type::served: return visit_as<served>(frame, visitor, ec);
  case message_type::replace: return visit_as<replace>(frame, visitor, ec);
  case message_type::beat: return visit_as<beat>(frame, visitor, ec);
  case message_type::value: return visit_as<value>(frame, visitor, ec);
  case message_type::reload: return visit_as<reload>(frame, visitor, ec);
  case message_type::relays: return visit_as<relays>(frame, visitor, ec);
  default: ec = error::protocol_violation;
  }
}

template <class Visitor>
inline void visit_from_primary(const frame_view& frame, Visitor&& visitor, std::error_code& ec)
{
  switch (static_cast<message_type>(frame.header.type)) {
  case message_type::hello: return visit_as<hello>(frame, visitor, ec);
  case message_type::listen_reply: return visit_as<listen_reply>(frame, visitor, ec);
  case message_type::offer: return visit_as<offer>(frame, visitor, ec);
  case message_type::drain: return visit_as<drain>(frame, visitor, ec);
  case message_type::bye_ack: return visit_as<bye_ack>(frame, visitor, ec);
  case message_type::turn: return visit_as<turn>(frame, visitor, ec);
  case message_type::watch: return visit_as<watch>(frame, visitor, ec);
  default: ec = error::protocol_violation;
  }
}

} // namespace cohort::detail::wire
