// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Says when the channel to a worker has ended, whether it was told to leave or just died.
//
// Node: the examples of the event 'disconnect', of the cluster and of one worker.
//
//   node_disconnected       ends by itself

#include <asio.hpp>
#include <cohort.hpp>

#include <csignal>
#include <iostream>

asio::awaitable<void> serve(cohort::this_worker&) { co_return; }

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto disconnects = cluster.subscribe<cohort::disconnect_event>();
  auto workers = co_await cluster.co_fork_all(2);

  co_await workers.front().disconnect(); // completes when the process has ended
  auto left = co_await disconnects.next();
  std::cout << "the channel to worker " << left.worker << " has ended" << std::endl;

  workers.back().kill(SIGKILL);
  co_await workers.back().disconnected(); // of one worker; who asks later is told as well
  auto lost = co_await disconnects.next();
  std::cout << "the channel to worker " << lost.worker << " has ended" << std::endl;
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
