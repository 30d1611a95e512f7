// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the policy's patience\(\) must be const and return a duration
// expect-lines: 15
//
// It is asked once, of a policy that it may not change.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/io_context.hpp>

#include <chrono>

struct waits : cohort::round_robin {
#ifdef MUST_FAIL
  std::chrono::milliseconds patience() { return std::chrono::milliseconds(500); }
#else
  std::chrono::milliseconds patience() const { return std::chrono::milliseconds(500); }
#endif
};

int main()
{
  asio::io_context context;
  cohort::cluster<waits> cluster(context);
  return cluster.workers().empty() ? 0 : 1;
}
