// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the codec cannot carry a message of the protocol: describe this type
// expect-lines: 15
//
// A message that nobody sends is checked too.

#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include <asio/io_context.hpp>
#include <boost/describe/class.hpp>

struct question {
  int number = 0;
};
struct answer {
  int number = 0;
};
BOOST_DESCRIBE_STRUCT(question, (), (number))
#ifndef MUST_FAIL
BOOST_DESCRIBE_STRUCT(answer, (), (number))
#endif

using protocol =
    cohort::protocol<cohort::to_primary<answer>, cohort::to_worker<question>, cohort::json_codec>;

int main()
{
  asio::io_context context;
  cohort::basic_this_worker<protocol> self(context);
  self.send(answer());
}
