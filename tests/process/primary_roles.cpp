// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Whole programs, primary and workers, that a test starts as one child: roles "primary" (writes
// "listening PORT" and ends only when it is killed) and "run" (a program that uses cohort::run as
// COHORT_TEST_RUN says).

#include <cohort/message/json.hpp>
#include <cohort/run.hpp>

#include "support/cluster_fixture.hpp"
#include "support/worker_roles.hpp"

#include <asio/detached.hpp>
#include <asio/this_coro.hpp>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>

namespace primary_roles {

namespace {

using asio::awaitable;
using asio::ip::tcp;

awaitable<void> listen_with_two(cohort::cluster<>& cluster)
{
  const std::string lost = cohort_test::variable("COHORT_TEST_LOST");
  for (int i = 0; i != 2; ++i) {
    cohort::worker worker =
        co_await cluster.co_fork(cohort_test::server().set("COHORT_TEST_LOST", lost));
    const cohort::listening_event event = co_await worker.listening();
    if (i == 1) std::cout << "listening " << event.port << std::endl;
  }
}

COHORT_TEST_WORKER_ROLE(primary)
{
  asio::io_context context(1);
  cohort::cluster<> cluster(context);
  asio::co_spawn(context, listen_with_two(cluster), asio::detached);
  context.run();
  return 0;
}

awaitable<void> echo_forever(cohort::connection<tcp> client)
{
  std::array<char, 64> data;
  for (;;) {
    const std::size_t size = co_await client.async_read_some(asio::buffer(data));
    co_await asio::async_write(client, asio::buffer(data, size), asio::use_awaitable);
  }
}

awaitable<void> serve(cohort::this_worker& self)
{
  const std::string what = cohort_test::variable("COHORT_TEST_RUN");
  if (what == "serve throws") throw std::runtime_error("serve failed");
  if (what == "serve returns") co_return;
  auto acceptor = co_await self.listen(tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), echo_forever(std::move(client)), asio::detached);
  }
}

awaitable<void> supervise(cohort::cluster<>& cluster)
{
  const std::string what = cohort_test::variable("COHORT_TEST_RUN");
  auto exits = cluster.subscribe<cohort::exit_event>();
  cohort::worker worker = co_await cluster.co_fork();
  if (what == "serve throws" || what == "serve returns") {
    // What the worker does at its own end reaches this process's status by the output.
    if (what == "serve returns") {
      co_await worker.online();
      std::cout << "online" << std::endl;
    }
    const cohort::exit_event event = co_await exits.next();
    std::cout << "worker " << event.status << std::endl;
    co_return;
  }
  const cohort::listening_event event = co_await worker.listening();
  std::cout << "listening " << event.port << std::endl;
  if (what == "supervise throws") throw std::runtime_error("supervise failed");
  if (what == "supervise returns") co_return;
  for (;;) {
    const cohort::exit_event exit = co_await exits.next();
    std::cout << "worker " << exit.status << std::endl;
    if (what == "restart") co_await cluster.co_fork();
  }
}

COHORT_TEST_WORKER_ROLE(run) { return cohort::run(argc, argv, supervise, serve); }

} // namespace

} // namespace primary_roles
