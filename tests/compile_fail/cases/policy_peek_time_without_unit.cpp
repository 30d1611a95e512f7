// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the policy's peek_time\(\) must be const and return a duration
// expect-lines: 15
//
// A number does not say of what it is so many.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/io_context.hpp>

#include <chrono>

struct waits : cohort::round_robin {
#ifdef MUST_FAIL
  int peek_time() const { return 500; }
#else
  std::chrono::milliseconds peek_time() const { return std::chrono::milliseconds(500); }
#endif
};

int main()
{
  asio::io_context context;
  cohort::cluster<waits> cluster(context);
  return cluster.workers().empty() ? 0 : 1;
}
