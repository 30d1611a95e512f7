// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: two messages of one list are the same type, or have the same name
// expect-lines: 15
//
// A message is found by its name.

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
using list = cohort::messages<answer, answer>;
#else
using list = cohort::messages<answer, question>;
#endif

using other = cohort::message_channel<list, cohort::messages<>, cohort::binary_codec>;

void end(other& to) { to.close(); }
