// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the policy of a cohort::cluster must be a cohort::scheduling_policy
// expect-lines: 8
//
// What `select` returns is an index: of type int it could be -1 for nobody, which is not `wait`.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/io_context.hpp>

struct chooses {
#ifdef MUST_FAIL
  int select(std::span<const cohort::candidate>, const cohort::connection_info&) { return -1; }
#else
  std::size_t select(std::span<const cohort::candidate>, const cohort::connection_info&)
  {
    return cohort::wait;
  }
#endif
};

int main()
{
  asio::io_context context;
  cohort::cluster<chooses> cluster(context);
  return cluster.workers().empty() ? 0 : 1;
}
