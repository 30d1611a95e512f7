// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the policy's on_overflow\(\) must be const and return a cohort::overflow
// expect-lines: 15
//
// The policy is not asked while it works, but before.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/io_context.hpp>

struct refuses : cohort::round_robin {
#ifdef MUST_FAIL
  cohort::overflow on_overflow() { return cohort::overflow::reset(); }
#else
  cohort::overflow on_overflow() const { return cohort::overflow::reset(); }
#endif
};

int main()
{
  asio::io_context context;
  cohort::cluster<refuses> cluster(context);
  return cluster.workers().empty() ? 0 : 1;
}
