// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/byte_sink.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace cohort {

/// Why bytes are not a message.
struct decode_error {
  std::error_code code;
  /// The member that is wrong, such as `items[3].price`; empty when it is the message as a whole.
  std::string path;
  /// What was expected there, or why it is wrong.
  std::string reason;

  /// All of it in one line.
  std::string message() const
  {
    return (path.empty() ? path : path + ": ") + (reason.empty() ? code.message() : reason);
  }
};

} // namespace cohort

namespace cohort::detail {

// The parts of `codec_for`, so that it can be said in a sentence which one is missing.
template <class Codec, class Message>
concept codec_tells_support = requires
{
  {
    Codec::template supports<Message>
    } -> std::convertible_to<bool>;
};

template <class Codec, class Message>
concept codec_encodes = requires(Message& message, byte_sink& out)
{
  Codec::encode(std::as_const(message), out);
  Codec::encode(std::move(message), out);
};

template <class Codec, class Message>
concept codec_decodes = requires(std::span<const std::byte> in, decode_error& error)
{
  {
    Codec::template decode<Message>(in, error)
    } -> std::same_as<std::optional<Message>>;
};

template <class Codec, class Message>
concept codec_tells_layout = requires
{
  {
    Codec::template schema<Message>()
    } -> std::same_as<std::uint32_t>;
  {
    Codec::exact_schema
    } -> std::convertible_to<bool>;
};

} // namespace cohort::detail

namespace cohort {

/// How messages become bytes and bytes messages: a type with static functions, given to `protocol`
/// or `message_channel`.
///
///     struct my_codec {
///       // Whether this kind of message can be encoded at all; the compiler refuses the others.
///       template <class Message> static constexpr bool supports = ...;
///       // Appends to `out`. Called with an rvalue when the sender gives the message away: large
///       // buffers in it may then be adopted.
///       template <class Message> static void encode(Message&& message, cohort::byte_sink& out);
///       // Nothing, and `error` set, when the bytes are not such a message. They come from another
///       // process: nothing in them may be trusted, and all of them have to be used up.
///       template <class Message> static std::optional<Message> decode(
///           std::span<const std::byte> bytes, cohort::decode_error& error);
///       // A number that differs when the layout of a message differs.
///       template <class Message> static constexpr std::uint32_t schema();
///       // Whether a message of another layout has to be refused because decoding it would give
///       // nonsense.
///       static constexpr bool exact_schema = ...;
///       // Need not be there: what the compiler is to name when a message is not supported, such
///       as
///       // the type of the member that cannot be encoded.
///       template <class Message> using obstacle = ...;
///     };
///
/// `encode` may throw; nothing is sent then.
template <class Codec, class Message>
concept codec_for = detail::codec_tells_support<Codec, Message> &&
    Codec::template supports<Message>&& detail::codec_encodes<Codec, Message>&&
        detail::codec_decodes<Codec, Message>&& detail::codec_tells_layout<Codec, Message>;

} // namespace cohort
