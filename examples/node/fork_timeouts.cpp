// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Gives each worker two seconds until it listens, and complains of those that do not.
//
// Node: the example of the event 'fork', whose timeouts 'listening' and 'exit' clear. A timer is
// cleared by dropping it. To see the complaint, have another program on the port; the workers try
// until it is gone.
//
//   node_fork_timeouts [--port N] [--patience MILLISECONDS]

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <chrono>
#include <iostream>
#include <map>
#include <utility>
#include <variant>

using asio::ip::tcp;

unsigned short port = 8000;
std::chrono::milliseconds patience{2000};

asio::awaitable<void> serve(cohort::this_worker& self)
{
  cohort::acceptor<tcp> acceptor(self.get_executor());
  asio::steady_timer pause(self.get_executor());
  while (!acceptor.is_open()) {
    std::error_code error;
    acceptor =
        co_await self.listen(web::here(port), asio::redirect_error(asio::use_awaitable, error));
    if (error == cohort::condition::ending) co_return;
    pause.expires_after(std::chrono::milliseconds(error ? 100 : 0));
    co_await pause.async_wait(asio::use_awaitable);
  }
  co_await web::answer_all(acceptor, "hello world\n");
}

void complain(cohort::worker_id worker)
{
  std::cout << "worker " << worker << " should listen by now, what is wrong?" << std::endl;
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  std::map<cohort::worker_id, asio::steady_timer> timeouts;
  auto events =
      cluster.subscribe<cohort::fork_event, cohort::listening_event, cohort::exit_event>();
  co_await cluster.co_fork_all(2);
  for (;;) {
    auto event = co_await events.next();
    if (const auto* forked = std::get_if<cohort::fork_event>(&event)) {
      const cohort::worker_id worker = forked->worker;
      asio::steady_timer timeout(cluster.get_executor(), patience);
      timeout.async_wait([worker](std::error_code cleared) {
        if (!cleared) complain(worker);
      });
      timeouts.emplace(worker, std::move(timeout));
    } else if (const auto* listens = std::get_if<cohort::listening_event>(&event)) {
      timeouts.erase(listens->worker);
      std::cout << "worker " << listens->worker << " listens on port " << listens->port
                << std::endl;
    } else {
      const auto& exit = std::get<cohort::exit_event>(event);
      timeouts.erase(exit.worker);
      std::cout << "worker " << exit.worker << ' ' << exit.status << std::endl;
    }
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  patience = std::chrono::milliseconds(web::option(argc, argv, "--patience", 2000));
  return cohort::run(argc, argv, supervise, serve);
}
