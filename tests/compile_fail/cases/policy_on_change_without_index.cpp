// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: on_change must be callable with \(std::span<const cohort::candidate>,
// expect-lines: 15
//
// What has changed is told by its index in all members, not as the member alone.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/io_context.hpp>

struct keeps_index : cohort::round_robin {
#ifdef MUST_FAIL
  void on_change(const cohort::candidate&) {}
#else
  void on_change(std::span<const cohort::candidate>, std::size_t) {}
#endif
};

int main()
{
  asio::io_context context;
  cohort::cluster<keeps_index> cluster(context);
  return cluster.workers().empty() ? 0 : 1;
}
