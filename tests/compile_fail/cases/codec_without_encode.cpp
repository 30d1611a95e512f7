// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the codec has no function encode
// expect-lines: 15
//
// What a codec of one's own lacks is told once, not for each message.

#include <cohort/message/binary.hpp>
#include <cohort/this_worker.hpp>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

struct question {
  int number = 0;
};
struct answer {
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(question, (), (number))
BOOST_DESCRIBE_STRUCT(answer, (), (number))

struct own_codec {
  static constexpr bool exact_schema = true;
  template <class Message>
  static constexpr bool supports = true;
#ifndef MUST_FAIL
  template <class Message>
  static void encode(Message&& message, cohort::byte_sink& out)
  {
    cohort::binary_codec::encode(std::forward<Message>(message), out);
  }
#endif
  template <class Message>
  static std::optional<Message> decode(std::span<const std::byte> in, cohort::decode_error& error)
  {
    return cohort::binary_codec::decode<Message>(in, error);
  }
  template <class Message>
  static constexpr std::uint32_t schema()
  {
    return cohort::schema_of<Message>();
  }
};

asio::awaitable<answer> serve(question) { co_return answer(); }

using protocol =
    cohort::protocol<cohort::to_primary<answer>, cohort::to_worker<question>, own_codec>;

int main()
{
  asio::io_context context;
  cohort::basic_this_worker<protocol> self(context);
  self.serve<question>(serve);
  self.send(answer());
}
