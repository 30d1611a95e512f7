// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Receives the messages of all workers in one place, and knows whose each is.
//
// Node: the cluster's event 'message', which has the worker as its first argument since 6.0, and
// the example of 'message' in which a worker sends its process number.
//
//   node_any_worker_messages       ends by itself

#include <asio.hpp>
#include <cohort.hpp>

#include <cstddef>
#include <iostream>
#include <unistd.h>

asio::awaitable<void> serve(cohort::this_worker& self)
{
  self.send(getpid());
  co_return;
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto workers = co_await cluster.co_fork_all(3);
  for (std::size_t i = 0; i != workers.size(); ++i) {
    auto envelope = co_await cluster.receive();
    std::cout << "worker " << envelope.worker << " says: I am process " << envelope.message
              << std::endl;
  }
  co_await cluster.disconnect();
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
