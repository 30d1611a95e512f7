// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers listen on a socket that the primary was started with, or has opened itself.
//
// Node: `server.listen({fd: 7})`, whose number is the primary's. Service managers start programs
// with such sockets. This one opens its own when it was given none, and tells the number by the
// environment, as they do.
//
//   node_listen_fd [--port N]        then: curl http://127.0.0.1:8000/

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <unistd.h>

using asio::ip::tcp;

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  const cohort::inherited_fd number(std::atoi(std::getenv("LISTEN_FD")));
  auto acceptor = co_await self.listen<tcp>(number);
  co_await web::answer_all(acceptor, "hello from process " + std::to_string(getpid()) + '\n');
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  tcp::acceptor socket(cluster.get_executor(), web::here(port));
  const int number = socket.native_handle();
  cluster.allow_inherited(number); // not needed for what other programs of ours would inherit
  cluster.setup(
      cohort::settings().env(cohort::environment().set("LISTEN_FD", std::to_string(number))));
  auto listening = cluster.subscribe<cohort::listening_event>();
  co_await cluster.co_fork_all(2);
  for (;;) {
    auto event = co_await listening.next();
    std::cout << "worker " << event.worker << " listens on descriptor " << event.inherited_fd
              << ", port " << event.port << std::endl;
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
