// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Finds the worker whose id came over a connection.
//
// Node: the example of `cluster.workers[id]` (0.7: `uniqueID`), where a number that was sent over a
// socket is all that is known of a worker.
//
//   node_worker_by_id [--port N]        then: echo 2 | nc 127.0.0.1 8000

#include "http.hpp"

#include <asio.hpp>
#include <boost/json.hpp>
#include <cohort.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <unistd.h>
#include <utility>

using asio::ip::tcp;

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  for (;;) {
    std::error_code end;
    auto asked = co_await self.receive(asio::redirect_error(asio::use_awaitable, end));
    if (end) co_return;
    self.send(boost::json::value("I am process " + std::to_string(getpid())));
  }
}

asio::awaitable<void> talk(cohort::cluster<>& cluster, tcp::socket client)
{
  std::string line;
  co_await asio::async_read_until(
      client, asio::dynamic_buffer(line, 20), '\n', asio::use_awaitable);
  const auto id = static_cast<cohort::worker_id>(std::atoi(line.c_str()));
  std::string answer = "there is no worker " + std::to_string(id) + '\n';
  auto worker = cluster.find(id);
  if (worker) {
    worker->send("who are you?");
    auto reply = co_await worker->receive();
    answer = std::string(reply.message.as_string()) + '\n';
  }
  co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  co_await cluster.co_fork_all(2);
  tcp::acceptor acceptor(cluster.get_executor(), web::here(port)); // of the primary alone
  std::cout << "send an id to port " << acceptor.local_endpoint().port() << std::endl;
  for (;;) {
    auto client = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(cluster.get_executor(), talk(cluster, std::move(client)), asio::detached);
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
