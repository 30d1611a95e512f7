// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the other side of the protocol does not send messages of this type
// expect-lines: 15
//
// The same with the default token.

#include <cohort/message/binary.hpp>
#include <cohort/message_channel.hpp>

#include <asio/awaitable.hpp>

struct question {
  int number = 0;
};
struct answer {
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(question, (), (number))
BOOST_DESCRIBE_STRUCT(answer, (), (number))

using channel = cohort::message_channel<cohort::messages<question>, cohort::messages<answer>,
    cohort::binary_codec>;

asio::awaitable<void> wait(channel& from)
{
#ifdef MUST_FAIL
  auto next = co_await from.receive<question>();
#else
  auto next = co_await from.receive<answer>();
#endif
  next.message.number = 0;
}
