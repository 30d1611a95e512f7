// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Counts requests in the primary: every worker tells it about each one by a message.
//
// Node: the example of the event 'message', which prints the count every second. Messages are JSON
// values here, as there; 05_request_counter does it with a type of its own.
//
//   node_message_counting [--port N]        then: curl http://127.0.0.1:8000/

#include "http.hpp"

#include <asio.hpp>
#include <boost/json.hpp>
#include <cohort.hpp>

#include <chrono>
#include <iostream>
#include <utility>

using asio::ip::tcp;

unsigned short port = 8000;
int requests = 0; // that the primary was told of

asio::awaitable<void> answer(cohort::this_worker& self, cohort::connection<tcp> client)
{
  co_await web::answer(std::move(client), "hello world\n");
  boost::json::object message;
  message["cmd"] = "count request";
  self.send(message);
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(port));
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), answer(self, std::move(client)), asio::detached);
  }
}

asio::awaitable<void> count(cohort::worker worker)
{
  for (;;) {
    auto next = co_await worker.receive(); // fails when the worker has gone, and ends this
    const auto* message = next.message.if_object();
    const auto* command = message ? message->if_contains("cmd") : nullptr;
    if (command && *command == "count request") ++requests;
  }
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto workers = co_await cluster.co_fork_all();
  for (cohort::worker& each : workers)
    asio::co_spawn(cluster.get_executor(), count(each), asio::detached);
  auto where = co_await workers.front().listening();
  std::cout << "listening on port " << where.port << std::endl;

  asio::steady_timer timer(cluster.get_executor());
  for (;;) {
    timer.expires_after(std::chrono::seconds(1));
    co_await timer.async_wait(asio::use_awaitable);
    std::cout << "requests so far: " << requests << std::endl;
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
