// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Says when a worker has come up.
//
// Node: the examples of the event 'online', of the cluster and of one worker. The event says that
// the worker's process runs and speaks; `listening` is for when it serves.
//
//   node_online       ends by itself

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>

asio::awaitable<void> serve(cohort::this_worker&)
{
  co_return; // a worker lives until it is disconnected, also when it has nothing to do
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto online = cluster.subscribe<cohort::online_event>();
  co_await cluster.co_fork_all(2);
  for (int i = 0; i != 2; ++i) {
    auto event = co_await online.next();
    std::cout << "worker " << event.worker << " has come up" << std::endl;
  }

  // Of one worker; who asks later is told as well.
  auto third = co_await cluster.co_fork();
  co_await third.online();
  std::cout << "so has worker " << third.id() << ", process " << third.pid() << std::endl;
  co_await cluster.disconnect();
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
