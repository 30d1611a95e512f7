// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/bytes.hpp>
#include <cohort/detail/wire/frame.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace cohort::detail::wire {

/// What a frame of a message channel is for: the type in its header.
enum class message_kind : std::uint16_t {
  message = 1,
  /// Its sequence is a number that the reply repeats.
  request = 2,
  reply = 3,
  /// Instead of a reply; nothing follows the header.
  failure = 4,
};

/// Type and layout of a message: the first bytes of its payload, two u32.
struct message_type_id {
  std::uint32_t type = 0;
  std::uint32_t schema = 0;

  friend bool operator==(const message_type_id&, const message_type_id&) = default;
};

/// Header and type of a message; what its codec made follows.
inline constexpr std::size_t message_head_size = header_size + 8;

/// One frame of a message channel.
struct message_view {
  message_kind kind = message_kind::message;
  std::uint64_t sequence = 0;
  message_type_id type;
  std::span<const std::byte> body;
};

/// Writes the head of a message with `body` bytes and this many descriptors.
void encode_message_head(message_kind kind, std::uint64_t sequence, message_type_id type,
    std::size_t body, std::size_t descriptors,
    std::span<std::byte, message_head_size> out) noexcept;

/// What a frame says; nothing when no such frame exists.
std::optional<message_view> decode_message(const frame_view& frame) noexcept;

} // namespace cohort::detail::wire

// Implementation

namespace cohort::detail::wire {

inline void encode_message_head(message_kind kind, std::uint64_t sequence, message_type_id type,
    std::size_t body, std::size_t descriptors, std::span<std::byte, message_head_size> out) noexcept
{
  frame_header header;
  header.length = static_cast<std::uint32_t>(body + 8);
  header.type = static_cast<std::uint16_t>(kind);
  header.descriptors = static_cast<std::uint8_t>(descriptors);
  header.sequence = sequence;
  encode_header(header, out.first<header_size>());
  store_little(out.data() + header_size, type.type);
  store_little(out.data() + header_size + 4, type.schema);
}

inline std::optional<message_view> decode_message(const frame_view& frame) noexcept
{
  message_view view;
  view.sequence = frame.header.sequence;
  byte_reader reader(frame.payload);
  view.type.type = reader.number<std::uint32_t>();
  view.type.schema = reader.number<std::uint32_t>();
  if (!reader.ok()) return std::nullopt;
  view.body = reader.bytes(reader.remaining());
  view.kind = static_cast<message_kind>(frame.header.type);
  switch (view.kind) {
  case message_kind::message:
  case message_kind::request:
  case message_kind::reply: return view;
  case message_kind::failure:
    if (view.body.empty() && frame.header.descriptors == 0) return view;
  }
  return std::nullopt;
}

} // namespace cohort::detail::wire
