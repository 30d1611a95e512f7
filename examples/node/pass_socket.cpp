// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The primary accepts connections itself, and sends each to the worker it likes.
//
// Node: sockets sent by `worker.send(message, socket)`, which the worker hands to its server by
// `server.emit('connection', socket)`. `inject` does that: the connection is served, counted and
// waited for by a drain like those that come by themselves.
//
//   node_pass_socket [--port N]        then: curl http://127.0.0.1:8000/

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <cstddef>
#include <iostream>
#include <string>
#include <utility>

using asio::ip::tcp;

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(0)); // nobody is told of this port
  const std::string greeting = "hello from worker " + std::to_string(self.id()) + '\n';
  asio::co_spawn(self.get_executor(), web::answer_all(acceptor, greeting), asio::detached);
  for (;;) {
    std::error_code end;
    auto next = co_await self.receive(asio::redirect_error(asio::use_awaitable, end));
    if (end) co_return;
    acceptor.inject(next.handles.at(0).to<tcp::socket>(self.get_executor()));
  }
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto workers = co_await cluster.co_fork_all(2);
  tcp::acceptor acceptor(cluster.get_executor(), web::here(port));
  std::cout << "listening on port " << acceptor.local_endpoint().port() << std::endl;
  for (std::size_t turn = 0;; ++turn) {
    auto socket = co_await acceptor.async_accept(asio::use_awaitable);
    workers[turn % workers.size()].send("for you", cohort::handle(std::move(socket)));
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
