// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: by_kernel is not supported yet
//
// Such a policy would otherwise be asked for a member of every connection, which it does not
// expect.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/io_context.hpp>

struct kernel_chooses : cohort::round_robin {
  static constexpr cohort::distribution distribution()
  {
#ifdef MUST_FAIL
    return cohort::distribution::by_kernel;
#else
    return cohort::distribution::by_primary;
#endif
  }
};

int main()
{
  asio::io_context context;
  cohort::cluster<kernel_chooses> cluster(context);
  return cluster.workers().empty() ? 0 : 1;
}
