// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: handles are given away with a message
// expect-lines: 15
//
// A handle that goes along is moved.

#include <cohort/message/binary.hpp>
#include <cohort/message_channel.hpp>

#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>

#include <utility>

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

void tell(channel& to, cohort::handle& attached)
{
#ifdef MUST_FAIL
  to.send(question(), attached);
#else
  to.send(question(), std::move(attached));
#endif
}
