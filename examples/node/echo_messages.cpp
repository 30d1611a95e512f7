// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Sends a worker a message, which it sends back.
//
// Node: the example of `worker.send()`: what the worker is sent comes back.
//
//   node_echo_messages       ends by itself

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>

asio::awaitable<void> serve(cohort::this_worker& self)
{
  for (;;) {
    std::error_code end;
    auto next = co_await self.receive(asio::redirect_error(asio::use_awaitable, end));
    if (end) co_return; // the primary has nothing more to say
    self.send(next.message);
  }
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto worker = co_await cluster.co_fork();
  worker.send("is anybody there?"); // it need not be online yet
  auto reply = co_await worker.receive();
  std::cout << "the worker says: " << reply.message << std::endl;
  co_await worker.disconnect();
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
