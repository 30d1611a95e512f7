// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/codec.hpp>

#include <doctest/doctest.h>

#include <cohort/error.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

namespace codec_test {

namespace {

/// Knows numbers of one byte.
struct byte_codec {
  template <class Message>
  static constexpr bool supports = std::is_same_v<Message, std::uint8_t>;

  template <class Message>
  static void encode(Message&& message, cohort::byte_sink& out)
  {
    out.extend(1)[0] = static_cast<std::byte>(message);
  }

  template <class Message>
  static std::optional<Message> decode(std::span<const std::byte> bytes, cohort::decode_error&)
  {
    if (bytes.size() != 1) return std::nullopt;
    return static_cast<Message>(bytes[0]);
  }

  template <class Message>
  static constexpr std::uint32_t schema()
  {
    return 1;
  }

  static constexpr bool exact_schema = true;
};

struct encodes_copies : byte_codec {
  template <class Message>
  static void encode(Message& message, cohort::byte_sink& out);
};

struct decodes_to_bool : byte_codec {
  template <class Message>
  static bool decode(std::span<const std::byte> bytes, Message& message);
};

struct has_no_schema : byte_codec {
  template <class Message>
  static void schema();
};

struct nothing {};

} // namespace

TEST_CASE("a codec has all functions and supports the message")
{
  CHECK(cohort::codec_for<byte_codec, std::uint8_t>);
  CHECK_FALSE(cohort::codec_for<byte_codec, int>);
  CHECK_FALSE(cohort::codec_for<encodes_copies, std::uint8_t>);
  CHECK_FALSE(cohort::codec_for<decodes_to_bool, std::uint8_t>);
  CHECK_FALSE(cohort::codec_for<has_no_schema, std::uint8_t>);
  CHECK_FALSE(cohort::codec_for<nothing, std::uint8_t>);
}

TEST_CASE("a decode error tells where and why in one line")
{
  cohort::decode_error error;
  error.code = cohort::error::invalid_message;
  CHECK(error.message() == error.code.message());
  error.path = "items[3].price";
  CHECK(error.message() == "items[3].price: " + error.code.message());
  error.reason = "is not a number";
  CHECK(error.message() == "items[3].price: is not a number");
  error.path.clear();
  CHECK(error.message() == "is not a number");
}

} // namespace codec_test
