// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/bytes.hpp>
#include <cohort/detail/wire/frame.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace cohort::detail::wire {

/// What a frame of a message channel is for: the type in its header.
enum class message_kind : std::uint16_t {
  message = 1,
  /// Its sequence is a number that the reply repeats.
  request = 2,
  reply = 3,
  /// Instead of a reply; nothing follows the header.
  failure = 4,
  /// From a worker to other workers. Its sequence is the one it is for; or else the name of a group
  /// stands before its type, empty for all.
  relay = 5,
  /// The same as the primary passes it on. Its sequence is the worker that it comes from.
  relayed = 6,
};

/// Type and layout of a message: the first bytes of its payload, two u32.
struct message_type_id {
  std::uint32_t type = 0;
  std::uint32_t schema = 0;

  friend bool operator==(const message_type_id&, const message_type_id&) = default;
};

/// Header and type of a message; what its codec made follows.
inline constexpr std::size_t message_head_size = header_size + 8;

/// The longest name of a group.
inline constexpr std::size_t max_group_name = 64;

/// The same for a `relay` with a name of this size.
constexpr std::size_t relay_head_size(std::size_t group) noexcept
{
  return message_head_size + 2 + group;
}

/// One frame of a message channel.
struct message_view {
  message_kind kind = message_kind::message;
  std::uint64_t sequence = 0;
  message_type_id type;
  std::span<const std::byte> body;
  /// Of a `relay` that is for a group.
  std::string_view group;
};

/// Writes the head of a message with `body` bytes and this many descriptors.
void encode_message_head(message_kind kind, std::uint64_t sequence, message_type_id type,
    std::size_t body, std::size_t descriptors,
    std::span<std::byte, message_head_size> out) noexcept;

/// The same for a `relay`: `out` has `relay_head_size(group.size())` bytes.
void encode_relay_head(std::uint64_t worker, std::string_view group, message_type_id type,
    std::size_t body, std::span<std::byte> out) noexcept;

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

inline void encode_relay_head(std::uint64_t worker, std::string_view group, message_type_id type,
    std::size_t body, std::span<std::byte> out) noexcept
{
  frame_header header;
  header.length = static_cast<std::uint32_t>(relay_head_size(group.size()) - header_size + body);
  header.type = static_cast<std::uint16_t>(message_kind::relay);
  header.sequence = worker;
  encode_header(header, out.first<header_size>());
  std::byte* next = out.data() + header_size;
  store_little(next, static_cast<std::uint16_t>(group.size()));
  next = std::ranges::copy(std::as_bytes(std::span(group)), next + 2).out;
  store_little(next, type.type);
  store_little(next + 4, type.schema);
}

// Whether it is for a worker, for a group, or for all.
inline bool read_receivers(byte_reader& reader, message_view& view) noexcept
{
  const auto name = reader.bytes(reader.number<std::uint16_t>());
  view.group = std::string_view(reinterpret_cast<const char*>(name.data()), name.size());
  return name.size() <= max_group_name && (name.empty() || view.sequence == 0);
}

inline std::optional<message_view> decode_message(const frame_view& frame) noexcept
{
  message_view view;
  view.sequence = frame.header.sequence;
  view.kind = static_cast<message_kind>(frame.header.type);
  byte_reader reader(frame.payload);
  if (view.kind == message_kind::relay && !read_receivers(reader, view)) return std::nullopt;
  view.type.type = reader.number<std::uint32_t>();
  view.type.schema = reader.number<std::uint32_t>();
  if (!reader.ok()) return std::nullopt;
  view.body = reader.bytes(reader.remaining());
  switch (view.kind) {
  case message_kind::message:
  case message_kind::request:
  case message_kind::reply: return view;
  case message_kind::failure:
    if (view.body.empty() && frame.header.descriptors == 0) return view;
    break;
  case message_kind::relay:
  case message_kind::relayed:
    if (frame.header.descriptors == 0) return view;
  }
  return std::nullopt;
}

} // namespace cohort::detail::wire
