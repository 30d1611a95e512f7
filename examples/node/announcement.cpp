// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Tells all workers something.
//
// Node: the example of `cluster.workers`, which goes through all of them (0.7 with a function
// `eachWorker`).
//
//   node_announcement       ends by itself

#include <asio.hpp>
#include <boost/json.hpp>
#include <cohort.hpp>

#include <iostream>

asio::awaitable<void> serve(cohort::this_worker& self)
{
  for (;;) {
    std::error_code end;
    auto next = co_await self.receive(asio::redirect_error(asio::use_awaitable, end));
    if (end) co_return;
    std::cout << "worker " << self.id() << " heard: " << next.message << std::endl;
  }
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  co_await cluster.co_fork_all(3);
  for (cohort::worker& each : cluster.workers()) each.send("this is for all of you");

  // The same in one call; it gives how many there were to tell.
  const auto told = cluster.broadcast(boost::json::value("bye"));
  std::cout << told << " workers were told" << std::endl;
  co_await cluster.disconnect(); // what was sent before is still received
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
