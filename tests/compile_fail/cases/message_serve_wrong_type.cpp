// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the other side of the protocol does not send requests of this type
// expect-lines: 15
//
// Only what the other side sends can be served.

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

struct server {
  template <class Request>
  asio::awaitable<question> operator()(Request) const
  {
    co_return question();
  }
};

void serve(channel& to)
{
#ifdef MUST_FAIL
  to.serve<question>(server());
#else
  to.serve<answer>(server());
#endif
}
