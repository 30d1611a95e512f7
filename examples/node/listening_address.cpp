// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Says on which addresses a worker listens.
//
// Node: the examples of the event 'listening', of the cluster and of one worker, with the address
// that it has since 0.8. The event comes for each address, here two; it has the port that is bound
// where any was asked for.
//
//   node_listening_address [--port N]       ends by itself

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto first = co_await self.listen(web::here(port));
  auto second = co_await self.listen(web::here(0)); // any that is free
  co_await self.left();
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto addresses = cluster.subscribe<cohort::listening_event>();
  auto worker = co_await cluster.co_fork();

  // Of one worker, its first address; fails when it ends before it listens.
  auto where = co_await worker.listening();
  std::cout << "the worker has come to listen, first on port " << where.port << std::endl;

  for (int i = 0; i != 2; ++i) {
    auto event = co_await addresses.next();
    std::cout << "worker " << event.worker << " listens on " << event.address << ':' << event.port
              << std::endl;
  }
  co_await cluster.disconnect();
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
