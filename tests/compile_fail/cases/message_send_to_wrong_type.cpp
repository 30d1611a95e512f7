// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: workers receive messages of the protocol's to_worker, and this is none
// expect-lines: 15
//
// What goes to another worker is what the primary sends to workers.

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
BOOST_DESCRIBE_STRUCT(answer, (), (number))

using protocol = cohort::protocol<cohort::to_primary<answer>, cohort::to_worker<question>>;

int main()
{
  asio::io_context context;
  cohort::basic_this_worker<protocol> self(context);
#ifdef MUST_FAIL
  self.send_to("web", answer());
#else
  self.send_to("web", question());
#endif
}
