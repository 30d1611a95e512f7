// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What the first worker that listens somewhere gives to all that do. Names begin with those of
// Node's tests of its cluster.

#include "support/listener_worker.hpp"

#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstddef>
#include <string>
#include <vector>

namespace node_shared_data {

using namespace cohort_test;

namespace {

const std::string any_port = "127.0.0.1:0";

std::string at(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

} // namespace

TEST_CASE_TEMPLATE(
    "tls_ticket_cluster: what the first worker gives is everybody's, as long as one is there",
    Policy, cohort::round_robin, cohort::shared, cohort::reuse_port)
{
  for (const std::string kind : {"", "udp:"}) {
    CAPTURE(kind);
    basic_cluster_fixture<Policy> primary;
    primary.run([&]() -> awaitable<void> {
      std::vector<cohort::worker> workers = co_await start_listeners(primary, 3);
      const std::uint16_t port =
          co_await listen_on(primary, workers[0], kind + any_port + " data=first");
      co_await listen_on(primary, workers[1], kind + at(port) + " data=second");
      for (std::size_t i = 0; i != 2; ++i) {
        const std::string data = co_await primary.command(workers[i], "data 0");
        CHECK(data == "first");
      }
      // It stays when that worker goes.
      workers[0].kill(SIGKILL);
      co_await workers[0].exited();
      co_await listen_on(primary, workers[2], kind + at(port));
      const std::string inherited = co_await primary.command(workers[2], "data 0");
      CHECK(inherited == "first");
      // And not when all have gone.
      co_await primary.command(workers[1], "close 0");
      co_await primary.command(workers[2], "close 0");
      co_await listen_on(primary, workers[1], kind + at(port) + " data=new");
      const std::string fresh = co_await primary.command(workers[1], "data 1");
      CHECK(fresh == "new");
      co_await primary.end();
    });
  }
}

} // namespace node_shared_data
