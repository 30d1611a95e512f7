// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// How programs end that use cohort::run, whatever else goes on in them: role "run_ends", which does
// what COHORT_TEST_RUN says.

#include <cohort/message/json.hpp>
#include <cohort/run.hpp>

#include "support/role_program.hpp"
#include "support/worker_roles.hpp"

#include <array>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/write.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

namespace run_ends_test {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

using asio::awaitable;
using asio::ip::tcp;

std::string mode()
{
  const char* const value = std::getenv("COHORT_TEST_RUN");
  return value ? value : "";
}

awaitable<void> echo(cohort::connection<tcp> client)
{
  std::array<char, 64> data;
  for (;;) {
    const std::size_t size = co_await client.async_read_some(asio::buffer(data));
    co_await asio::async_write(client, asio::buffer(data, size), asio::use_awaitable);
  }
}

awaitable<void> wait_for_ever(asio::any_io_executor executor)
{
  asio::steady_timer timer(executor, 1h);
  co_await timer.async_wait(asio::use_awaitable);
}

awaitable<void> serve_until_told(cohort::this_worker& self)
{
  if (mode() == "worker left") {
    asio::co_spawn(self.get_executor(), wait_for_ever(self.get_executor()), asio::detached);
    self.left([](std::error_code) { std::cout << "left " << ::getpid() << std::endl; });
    co_await self.disconnect();
    co_return;
  }
  const tcp::endpoint where(asio::ip::address_v4::loopback(), 0);
  const auto options = cohort::listen_options().hold_when_empty(mode() == "held");
  auto acceptor = co_await self.listen(where, options);
  if (mode() == "group") acceptor.max_connections(1);
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), echo(std::move(client)), asio::detached);
  }
}

awaitable<void> supervise_to_the_end(cohort::cluster<>& cluster)
{
  if (mode() == "worker left") {
    cohort::worker worker = co_await cluster.co_fork();
    const cohort::exit_status status = co_await worker.exited();
    std::cout << "worker " << status << std::endl;
    co_return;
  }
  auto exits = cluster.subscribe<cohort::exit_event>();
  cohort::worker worker = co_await cluster.co_fork();
  const cohort::listening_event event = co_await worker.listening();
  if (mode() == "group") {
    cohort::worker another = co_await cluster.co_fork();
    co_await another.listening();
  }
  std::cout << "listening " << event.port << std::endl;
  std::cout << "worker " << worker.pid() << std::endl;
  if (mode() == "throws") {
    asio::steady_timer pause(cluster.get_executor());
    while (cluster.counters().taken == 0) {
      pause.expires_after(1ms);
      co_await pause.async_wait(asio::use_awaitable);
    }
    throw std::runtime_error("supervise failed");
  }
  if (mode() == "timer")
    asio::co_spawn(cluster.get_executor(), wait_for_ever(cluster.get_executor()), asio::detached);
  if (mode() != "group") co_return;
  for (;;) {
    const cohort::exit_event exit = co_await exits.next();
    std::cout << "worker " << exit.status << std::endl;
  }
}

COHORT_TEST_WORKER_ROLE(run_ends)
{
  if (cohort::is_primary()) ::setpgid(0, 0);
  return cohort::run(argc, argv, supervise_to_the_end, serve_until_told);
}

role_program ending_by(const std::string& what)
{
  return role_program("run_ends", "COHORT_TEST_RUN=" + what);
}

} // namespace

TEST_CASE("run: the program ends with its last worker, whatever else waits in the primary")
{
  for (const char* what : {"held", "timer"}) {
    CAPTURE(what);
    role_program one = ending_by(what);
    const address where = one.listening();
    const int worker = one.number("worker");
    client live(where);
    CHECK(echoes(live));
    ::kill(worker, SIGKILL);
    CHECK(one.wait() == 0);
    CHECK(one.errors().empty());
  }
}

TEST_CASE("run: a worker that leaves by itself ends the program when it was the last")
{
  role_program one = ending_by("held");
  const address where = one.listening();
  const int worker = one.number("worker");
  client live(where);
  CHECK(echoes(live));
  ::kill(worker, SIGTERM);
  live.close();
  CHECK(one.wait() == 0);
}

TEST_CASE("run: a worker that has left and goes on is ended by SIGTERM")
{
  role_program one = ending_by("worker left");
  const int worker = one.number("left");
  // Its handler for signals is gone a moment after it says so.
  ::poll(nullptr, 0, 50);
  ::kill(worker, SIGTERM);
  CHECK(one.line() == "worker killed by SIGTERM");
  CHECK(one.wait() == 0);
}

TEST_CASE("run: SIGTERM to the whole process group loses nobody who waits")
{
  role_program one = ending_by("group");
  const address where = one.listening();
  one.number("worker");
  std::vector<client> holders;
  for (int i = 0; i != 2; ++i) {
    holders.emplace_back(where);
    CHECK(echoes(holders.back()));
  }
  std::vector<client> waiting;
  for (int i = 0; i != 10; ++i) {
    waiting.emplace_back(where);
    CHECK(waiting.back().send("hello\n") == outcome::ok);
  }
  one.signal_group(SIGTERM);
  for (client& each : holders) each.close();
  // Any of them may be served next, by any worker: the one that is done makes room.
  std::size_t answered = 0;
  std::vector<pollfd> readable;
  for (const client& each : waiting) readable.push_back(pollfd{each.descriptor(), POLLIN, 0});
  while (answered != waiting.size()) {
    REQUIRE(::poll(readable.data(), readable.size(), 5000 * static_cast<int>(time_factor())) > 0);
    for (std::size_t i = 0; i != waiting.size(); ++i) {
      if (readable[i].revents == 0) continue;
      std::string line;
      CHECK(waiting[i].receive(line) == outcome::ok);
      CHECK(line == "hello");
      waiting[i].close();
      readable[i].fd = -1;
      ++answered;
    }
  }
  CHECK(one.line() == "worker exited with code 0");
  CHECK(one.line() == "worker exited with code 0");
  CHECK(one.wait() == 0);
  CHECK(one.errors().empty());
}

TEST_CASE("run: after supervise has failed, the first signal is the first")
{
  role_program one = ending_by("throws");
  const address where = one.listening();
  const int worker = one.number("worker");
  client live(where);
  CHECK(echoes(live));
  wait_for_refusal(where);
  one.signal(SIGTERM);
  CHECK(echoes(live));
  live.close();
  CHECK(one.wait() == 1);
  CHECK(::kill(worker, 0) != 0);
  CHECK(one.errors() == "cohort: supervise: supervise failed\n");
}

} // namespace run_ends_test
