// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Sends a listening socket to each worker, which accepts from it without the primary.
//
// Node: `server.listen(handle)` with a server that came by a message. Nobody but the kernel says
// which worker gets a connection then, and the primary does not know of them.
//
//   node_own_handle [--port N]        then: curl http://127.0.0.1:8000/

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>
#include <string>
#include <utility>

using asio::ip::tcp;

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto server = co_await self.receive();
  auto acceptor = self.adopt<tcp>(std::move(server.handles.at(0)));
  self.send("accepting");
  co_await web::answer_all(acceptor, "hello from worker " + std::to_string(self.id()) + '\n');
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  tcp::acceptor socket(cluster.get_executor(), web::here(port));
  const unsigned short bound = socket.local_endpoint().port();
  const cohort::handle server(std::move(socket));
  auto workers = co_await cluster.co_fork_all(2);
  for (cohort::worker& each : workers) {
    each.send("server", server.duplicate());
    auto answer = co_await each.receive();
  }
  std::cout << "listening on port " << bound << std::endl;
  for (;;) co_await cluster.receive();
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
