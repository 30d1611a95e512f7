// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "http_handler.hpp"
#include "ready_line.hpp"

#include <cohort/message/json.hpp>
#include <cohort/run.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace cohort_benchmark {

/// The server as users write it: two workers, round robin.
struct cohort_server {
  static asio::awaitable<void> serve(cohort::this_worker& self)
  {
    const asio::ip::tcp::endpoint anywhere(asio::ip::address_v4::loopback(), 0);
    auto acceptor = co_await self.listen(anywhere);
    for (;;) {
      auto client = co_await acceptor.async_accept();
      asio::co_spawn(self.get_executor(), serve_http(std::move(client)), asio::detached);
    }
  }

  static asio::awaitable<void> supervise(cohort::cluster<>& cluster)
  {
    auto workers = co_await cluster.co_fork_all(2);
    std::uint16_t port = 0;
    std::vector<pid_t> pids;
    for (cohort::worker& each : workers) {
      const auto event = co_await each.listening();
      port = event.port;
      pids.push_back(event.pid);
    }
    print_ready(port, pids);
  }
};

} // namespace cohort_benchmark
