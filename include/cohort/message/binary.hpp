// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/binary_layout.hpp>
#include <cohort/message/binary_reader.hpp>
#include <cohort/message/binary_writer.hpp>
#include <cohort/message/byte_sink.hpp>
#include <cohort/message/codec.hpp>
#include <cohort/message/schema.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace cohort {

/// Messages as their bytes: small, fast, and the same layout on both sides or none at all.
///
/// What can be sent, alone and inside each other:
///
/// - classes that are described by BOOST_DESCRIBE_STRUCT or BOOST_DESCRIBE_CLASS, with their bases
///   and members of any access; they may contain themselves, as a tree has a vector of trees;
/// - `bool`, integers, floating point numbers bit for bit, enumerations (those without an
///   underlying type when they are described), durations and time points;
/// - `std::string`, vectors and whatever else has `push_back`, arrays, sets and maps of any kind;
/// - pairs, tuples, `std::optional`, `std::variant` of up to 256 alternatives, empty types;
/// - other trivially copyable types, as they lie in memory: the receiver checks nothing in them and
///   padding is sent as it is. Describe what has `bool` members or padding; nothing that has
///   pointers or views as members may be sent so.
///
/// Everything must be default constructible. Pointers, views and references are refused.
///
/// Layout: little-endian. An integer has its own size, `bool` one byte, 0 or 1. A container is
/// its number of elements as four bytes, then the elements, a map's element being the key and the
/// value; an element that would take no byte takes one, 0. An optional is one byte, 0 or 1, then
/// the value if there is one; a variant one byte, the index, then the value. Everything else is one
/// part behind the other: bases, then members, as described.
///
/// Decoding trusts nothing: what does not fit into the bytes that are left is refused before
/// memory is allocated for it, as are flags and indexes that do not exist, keys that come twice,
/// more than 128 structs and containers inside each other, and bytes that are left over. Encoding
/// throws `std::length_error` when a message is nested that deeply or a container has more than
/// 2^32 - 1 elements. A message that is given away is lost even then.
///
/// Strings and vectors of numbers or of trivially copyable types that are given away, and have
/// `byte_sink::adopt_threshold` bytes or more, are not copied.
struct binary_codec {
  template <class Message>
  static constexpr bool supports = detail::binary_supported<Message>();

  template <class Message>
  using obstacle = typename decltype(detail::first_refused<Message>())::type;

  template <class Message>
  static void encode(Message&& message, byte_sink& out);

  template <class Message>
  static std::optional<Message> decode(std::span<const std::byte> bytes, decode_error& error);

  template <class Message>
  static constexpr std::uint32_t schema();

  static constexpr bool exact_schema = true;
};

// Implementation

template <class Message>
void binary_codec::encode(Message&& message, byte_sink& out)
{
  using type = std::remove_cvref_t<Message>;
  if constexpr (supports<type>) detail::binary_writer(out).write(std::forward<Message>(message));
  else detail::explain_binary_refusal<type>();
}

template <class Message>
std::optional<Message> binary_codec::decode(std::span<const std::byte> bytes, decode_error& error)
{
  std::optional<Message> message(std::in_place);
  if constexpr (supports<Message>) {
    detail::binary_reader reader(bytes, error);
    // Not by `reset`: g++ 12 would warn that a copy of the result copies what is no longer there.
    if (!reader.read(*message) || !reader.finish()) return std::nullopt;
  } else {
    detail::explain_binary_refusal<Message>();
  }
  return message;
}

template <class Message>
constexpr std::uint32_t binary_codec::schema()
{
  // Another number here when the layout of something changes.
  constexpr char layout_version = '1';
  return schema_of<Message>() ^ static_cast<std::uint32_t>(layout_version);
}

} // namespace cohort
