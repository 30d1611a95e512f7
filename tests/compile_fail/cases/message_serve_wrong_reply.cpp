// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: this side of the protocol does not send messages of this type
// expect-lines: 15
//
// A reply has to be in the list too.

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

#ifdef MUST_FAIL
using reply = answer;
#else
using reply = question;
#endif

asio::awaitable<reply> serve_one(answer) { co_return reply(); }

void serve(channel& to) { to.serve<answer>(serve_one); }
