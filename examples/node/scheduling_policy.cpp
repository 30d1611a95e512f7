// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Lets the environment choose who hands connections out: the primary, in turn, or the kernel.
//
// Node: `cluster.schedulingPolicy`, `SCHED_RR` and `SCHED_NONE`, and the variable
// NODE_CLUSTER_SCHED_POLICY. A program that knows what it wants names the policy instead:
// `cohort::cluster<cohort::round_robin>` or `cohort::cluster<cohort::shared>`.
//
//   node_scheduling_policy [--port N]                                   in turn
//   COHORT_SCHEDULING_POLICY=none node_scheduling_policy [--port N]     whoever takes it first

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

unsigned short port = 8000;

using policy = cohort::policy_from_environment;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(port));
  co_await web::answer_all(acceptor, "worker " + std::to_string(self.id()) + '\n');
}

asio::awaitable<void> supervise(cohort::cluster<policy>& cluster)
{
  const bool in_turn = policy().distribution() == cohort::distribution::by_primary;
  std::cout << (in_turn ? "the primary hands out in turn" : "the kernel chooses") << std::endl;
  auto workers = co_await cluster.co_fork_all(2);
  auto where = co_await workers.front().listening();
  co_await workers.back().listening();
  std::cout << "listening on port " << where.port << std::endl;
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  try {
    return cohort::run(argc, argv, supervise, serve);
  } catch (const std::invalid_argument& error) { // the environment says neither rr nor none
    std::cerr << error.what() << std::endl;
    return 2;
  }
}
