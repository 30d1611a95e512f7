// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the other side of the protocol does not send replies of this type
// expect-lines: 15
//
// What the other side may answer is in its list.

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

void ask(channel& to)
{
#ifdef MUST_FAIL
  to.request<question>(question(), asio::detached);
#else
  to.request<answer>(question(), asio::detached);
#endif
}
