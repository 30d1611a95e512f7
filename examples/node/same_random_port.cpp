// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that listen on any port share one, and those that do it twice share two.
//
// Node: what its documentation says below `server.listen()` of `server.listen(0)`: the port is
// random for the first worker and the same for the others.
//
//   node_same_random_port       ends by itself

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>
#include <map>
#include <string>

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto first = co_await self.listen(web::here(0));
  auto second = co_await self.listen(web::here(0));
  co_await self.left();
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto addresses = cluster.subscribe<cohort::listening_event>();
  co_await cluster.co_fork_all(2);
  std::map<cohort::worker_id, std::string> ports;
  for (int i = 0; i != 4; ++i) {
    auto event = co_await addresses.next();
    ports[event.worker] += ' ' + std::to_string(event.port);
  }
  for (const auto& [worker, list] : ports)
    std::cout << "worker " << worker << " listens on" << list << std::endl;
  co_await cluster.disconnect();
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
