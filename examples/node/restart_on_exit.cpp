// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Starts another worker for each one that ends.
//
// Node: the example of the event 'exit' (until 0.7 'death'), which forks again.
//
//   node_restart_on_exit [--port N]     then: curl http://127.0.0.1:8000/    and kill -9 what it
//                                       answers
//
// Ctrl-C or SIGTERM ends it: no worker is started any more then.

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>
#include <string>
#include <unistd.h>

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(port));
  co_await web::answer_all(acceptor, std::to_string(getpid()) + '\n');
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto exits = cluster.subscribe<cohort::exit_event>();
  auto workers = co_await cluster.co_fork_all(2);
  // Fails, and ends the program, where they cannot listen: no new worker would fare better.
  auto where = co_await workers.front().listening();
  std::cout << "listening on port " << where.port << std::endl;
  for (;;) {
    auto event = co_await exits.next();
    std::cout << "worker " << event.pid << ' ' << event.status << ", here is another" << std::endl;
    co_await cluster.co_fork(); // fails once the cluster ends, and ends this coroutine
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
