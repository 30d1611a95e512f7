// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the policy of a cohort::cluster must be a cohort::scheduling_policy
// expect-lines: 8
//
// A policy has to choose; without `select` the first error says so, and nothing else is said.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/io_context.hpp>

struct chooses {
#ifdef MUST_FAIL
  std::size_t choose(std::span<const cohort::candidate> members, const cohort::connection_info&)
#else
  std::size_t select(std::span<const cohort::candidate> members, const cohort::connection_info&)
#endif
  {
    return members.empty() ? cohort::wait : 0;
  }
};

int main()
{
  asio::io_context context;
  cohort::cluster<chooses> cluster(context);
  return cluster.workers().empty() ? 0 : 1;
}
