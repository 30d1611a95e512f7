// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Receives the messages of all workers in one place, and knows whose each is.
//
// Node: the cluster's event 'message' (since 2.5, with the worker since 6.0), and the example of
// `cluster.fork()` whose workers send their process number with each request.
//
//   node_any_worker_messages [--port N]        then: curl http://127.0.0.1:8000/

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>
#include <string>
#include <unistd.h>
#include <utility>

using asio::ip::tcp;

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(port));
  const std::string greeting = "hello from process " + std::to_string(getpid()) + '\n';
  for (;;) {
    auto client = co_await acceptor.async_accept();
    self.send(getpid());
    auto answering = web::answer(std::move(client), greeting);
    asio::co_spawn(self.get_executor(), std::move(answering), asio::detached);
  }
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto workers = co_await cluster.co_fork_all(2);
  for (cohort::worker& each : workers) co_await each.listening();
  auto where = co_await workers.front().listening();
  std::cout << "listening on port " << where.port << std::endl;
  for (;;) {
    auto envelope = co_await cluster.receive();
    std::cout << "worker " << envelope.worker << " has a request: process " << envelope.message
              << std::endl;
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
