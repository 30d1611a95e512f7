// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Gives each worker a port of its own, made of its id.
//
// Node: what its documentation says below `server.listen()`: who wants a port for each worker makes
// it of the worker's id. `exclusive` keeps the primary out of it: nobody else is to share the port.
//
//   node_port_per_worker [--port N]        worker 1 listens on N + 1, worker 2 on N + 2

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>
#include <string>

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  const auto own = static_cast<unsigned short>(port + self.id());
  const auto alone = cohort::listen_options().exclusive(true);
  auto acceptor = co_await self.listen(web::here(own), alone);
  self.send(own);
  co_await web::answer_all(acceptor, "worker " + std::to_string(self.id()) + '\n');
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto workers = co_await cluster.co_fork_all(2);
  for (cohort::worker& each : workers) {
    auto own = co_await each.receive(); // fails when it could not listen
    std::cout << "worker " << each.id() << " listens on port " << own.message << std::endl;
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
