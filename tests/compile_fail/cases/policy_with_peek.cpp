// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: a policy with peek is not supported yet
// expect-lines: 15
//
// It would be asked without the first bytes that it counts on.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/scheduling/sticky.hpp>

#include <asio/io_context.hpp>

int main()
{
  asio::io_context context;
#ifdef MUST_FAIL
  cohort::cluster<cohort::sticky_by_proxy> cluster(context);
#else
  cohort::cluster<cohort::round_robin> cluster(context);
#endif
  return cluster.workers().empty() ? 0 : 1;
}
