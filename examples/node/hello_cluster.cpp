// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Hello world from one worker for each processor, all of them on one port.
//
// Node: the first example of its documentation, `cluster.fork()` and the event 'exit'. Each worker
// runs `serve`; the primary hands the connections to one after the other.
//
//   node_hello_cluster [--port N]       port 8000 unless said; then: curl http://127.0.0.1:8000/
//
// Ctrl-C or SIGTERM ends it; so does the end of its last worker.

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <cstddef>
#include <iostream>
#include <unistd.h>

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(port));
  std::cout << "worker: process " << getpid() << " on " << acceptor.local_endpoint() << std::endl;
  co_await web::answer_all(acceptor, "hello world\n");
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  std::cout << "primary: process " << getpid() << std::endl;
  auto exits = cluster.subscribe<cohort::exit_event>();
  auto workers = co_await cluster.co_fork_all(); // one for each processor
  for (std::size_t alive = workers.size(); alive != 0; --alive) {
    auto event = co_await exits.next();
    std::cout << "process " << event.pid << " has ended" << std::endl;
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
