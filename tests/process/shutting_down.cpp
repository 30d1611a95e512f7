// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What a program finds that goes on supervising while its cluster ends.

#include "support/cluster_fixture.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/redirect_error.hpp>

#include <netinet/in.h>
#include <sys/wait.h>

namespace shutting_down_test {

using namespace cohort_test;
using namespace std::chrono_literals;

TEST_CASE("whoever learns of the last exits finds the cluster still ending")
{
  cluster_fixture primary;
  auto& cluster = primary.cluster();
  auto exits = cluster.subscribe<cohort::exit_event>();
  bool ended = false;
  primary.run([&]() -> awaitable<void> {
    constexpr unsigned count = 8;
    const std::vector<cohort::worker> workers = co_await primary.start(count);
    // All exits are seen in one turn of the loop.
    for (cohort::worker each : workers) each.kill(SIGKILL);
    for (const cohort::worker& each : workers) {
      siginfo_t info;
      REQUIRE(::waitid(P_PID, static_cast<id_t>(each.pid()), &info, WEXITED | WNOWAIT) == 0);
    }
    cluster.disconnect(10s, [&](std::error_code, const std::vector<cohort::exit_event>& all) {
      ended = true;
      CHECK(all.size() == count);
    });
    co_await exits.next();
    std::error_code error;
    const auto variables = server();
    co_await cluster.co_fork(variables, asio::redirect_error(asio::use_awaitable, error));
    CHECK(error == cohort::error::shutting_down);
    const auto has_ended = [&] { return ended; };
    const bool over = co_await primary.eventually(has_ended);
    CHECK(over);
    CHECK(cluster.workers().empty());
    // Afterwards there may be workers again.
    co_await primary.start();
    co_await primary.end();
  });
}

TEST_CASE("the primary is told why a worker cannot listen")
{
  const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  socklen_t size = sizeof where;
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(taken, reinterpret_cast<sockaddr*>(&where), size) == 0);
  REQUIRE(::listen(taken, 1) == 0);
  REQUIRE(::getsockname(taken, reinterpret_cast<sockaddr*>(&where), &size) == 0);
  cluster_fixture primary;
  auto errors = primary.cluster().subscribe<cohort::error_event>();
  primary.run([&]() -> awaitable<void> {
    const auto variables = server("127.0.0.1:" + std::to_string(ntohs(where.sin_port)));
    cohort::worker worker = co_await primary.cluster().co_fork(variables);
    const cohort::error_event event = co_await errors.next();
    CHECK(event.worker == worker.id());
    CHECK(event.what == "listen");
    CHECK(event.code == std::errc::address_in_use);
    std::error_code ignored;
    worker.kill(SIGKILL, ignored);
    co_await worker.exited();
  });
  ::close(taken);
}

} // namespace shutting_down_test
