// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/byte_sink.hpp>
#include <cohort/message/codec.hpp>
#include <cohort/message/json_decode.hpp>
#include <cohort/message/json_defaults.hpp>
#include <cohort/message/json_encode.hpp>
#include <cohort/message/json_reader.hpp>
#include <cohort/message/json_types.hpp>
#include <cohort/message/json_writer.hpp>
#include <cohort/message/schema.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace cohort {

/// Messages as JSON text (RFC 8259), that programs in any language can read and people too.
///
/// | C++ | JSON |
/// |---|---|
/// | struct that Boost.Describe knows, and its bases | object, members of the bases first |
/// | `bool` | boolean |
/// | integers up to 64 bits, `char` too | number, exactly |
/// | `float`, `double` | number, exactly; infinities are `1e99999` and `-1e99999`, NaN is `null` |
/// | `std::string` | string; its bytes are not checked to be UTF-8, in neither direction |
/// | vector, array or built-in array, list, deque, set | array |
/// | vector and array of `std::byte` | string in base64 |
/// | map of strings | object |
/// | other maps | array of arrays of key and value |
/// | pair, tuple | array |
/// | `std::optional` | its value, or `null`; an empty member is left out |
/// | `std::variant` | `{"type": kind, "value": value}`, kinds as below |
/// | enumeration that Boost.Describe knows | string, its name |
/// | other enumeration, of fixed underlying type | number |
/// | `std::monostate` and other empty types | `null` |
/// | `std::chrono` durations and time points | number, the count of ticks |
/// | `boost::json::value`, `object`, `array`, `string` | themselves |
///
/// The kind of an alternative is the name of its struct or enumeration without namespaces, else one
/// of `null bool int8 uint8 ... int64 uint64 float double string bytes array object json duration
/// time_point optional variant`. Two alternatives of one kind are not supported, nor are types that
/// JSON could not give back: an optional in an optional, for instance. (An optional that holds NaN
/// or a null document arrives empty.)
///
/// Decoding forgives what another version of a program may do: keys that are not known are ignored,
/// optional members may be absent or `null`, and members that have a default may be absent, see
/// `json_defaults`. Everything else is an error that names the member: one that is absent, a value
/// of another type, an unknown enumerator, a number that does not fit (`5.0` and `5e0` are integers
/// too), arrays of another length than a fixed one, text after the end. Of equal keys the last one
/// counts. Arrays and objects may be nested 32 deep; `encode` throws `std::system_error` with
/// `error::invalid_message` for more, and for an enumerator without a name.
struct json_codec {
  static constexpr bool exact_schema = false;

  template <class Message>
  static constexpr bool supports = std::is_void_v<detail::json_obstacle_t<Message>>;

  template <class Message>
  using obstacle = detail::json_obstacle_t<Message>;

  template <class Message>
  static void encode(Message&& message, byte_sink& out);

  template <class Message>
  static std::optional<Message> decode(std::span<const std::byte> bytes, decode_error& error);

  template <class Message>
  static constexpr std::uint32_t schema();
};

} // namespace cohort

// Implementation

namespace cohort::detail {

/// The compiler's note about this one names the type.
template <class Obstacle>
constexpr void explain_json_obstacle()
{
  static_assert(std::is_void_v<Obstacle>,
      "cohort::json_codec cannot carry this type: describe it with BOOST_DESCRIBE_STRUCT, or see "
      "the table in cohort/message/json.hpp");
}

} // namespace cohort::detail

namespace cohort {

template <class Message>
void json_codec::encode(Message&& message, byte_sink& out)
{
  using type = std::remove_cvref_t<Message>;
  if constexpr (supports<type>) {
    detail::json_writer writer(out);
    detail::write_json(writer, message);
    writer.finish();
  } else {
    detail::explain_json_obstacle<detail::json_obstacle_t<type>>();
  }
}

template <class Message>
std::optional<Message> json_codec::decode(std::span<const std::byte> bytes, decode_error& error)
{
  std::optional<Message> message;
  if constexpr (supports<Message>) {
    detail::json_reader reader(
        std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), error);
    const bool read = detail::read_json(reader, message.emplace()) && reader.read_end();
    if (!read) message.reset();
  } else {
    detail::explain_json_obstacle<detail::json_obstacle_t<Message>>();
  }
  return message;
}

template <class Message>
constexpr std::uint32_t json_codec::schema()
{
  // A document of any shape has no layout that could differ.
  if constexpr (detail::json_document<Message>) return 0;
  else return schema_of<Message>();
}

} // namespace cohort
