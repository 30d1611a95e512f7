// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: this is no codec for messages: cohort::json_codec and cohort::binary_codec are
// expect-lines: 15
//
// An integer is no codec, and that is all there is to say about it.

#include <cohort/message/binary.hpp>
#include <cohort/this_worker.hpp>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

struct question {
  int number = 0;
};
struct answer {
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(question, (), (number))
BOOST_DESCRIBE_STRUCT(answer, (), (number))

asio::awaitable<answer> serve(question) { co_return answer(); }

#ifdef MUST_FAIL
using codec = int;
#else
using codec = cohort::binary_codec;
#endif
using protocol = cohort::protocol<cohort::to_primary<answer>, cohort::to_worker<question>, codec>;

int main()
{
  asio::io_context context;
  cohort::basic_this_worker<protocol> self(context);
  self.serve<question>(serve);
  self.send(answer());
}
