// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the function given to serve has to be a coroutine
// expect-lines: 15
//
// A reply is awaited.

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

#ifdef MUST_FAIL
question serve_one(answer) { return question(); }
#else
asio::awaitable<question> serve_one(answer) { co_return question(); }
#endif

void serve(channel& to) { to.serve<answer>(serve_one); }
