// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: on_leave must be callable with a const cohort::candidate&
// expect-lines: 15
//
// A hook that could never be called would otherwise be ignored.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/io_context.hpp>

struct listening : cohort::round_robin {
#ifdef MUST_FAIL
  void on_leave(cohort::candidate&) {}
#else
  void on_leave(const cohort::candidate&) {}
#endif
};

int main()
{
  asio::io_context context;
  cohort::cluster<listening> cluster(context);
  return cluster.workers().empty() ? 0 : 1;
}
