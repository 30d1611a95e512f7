// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "http_handler.hpp"
#include "ready_line.hpp"
#include "server_process.hpp"

#include <cohort/listen_options.hpp>
#include <cohort/message/json.hpp>
#include <cohort/run.hpp>
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/power_of_two.hpp>
#include <cohort/scheduling/random.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/scheduling/sticky.hpp>
#include <cohort/scheduling/weighted.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace cohort_benchmark {

/// Those that chance has a part in draw the same lots in each run.
inline cohort::any_policy policy_named(std::string_view name)
{
  if (name == "round_robin") return cohort::round_robin();
  if (name == "weighted") return cohort::weighted();
  if (name == "least_connections") return cohort::least_connections();
  if (name == "power_of_two") return cohort::power_of_two(1);
  if (name == "random") return cohort::random(1);
  if (name == "sticky") return cohort::sticky();
  if (name == "shared") return cohort::shared();
  if (name == "reuse_port") return cohort::reuse_port();
  fail("no policy " + std::string(name));
}

/// How the workers of a server share.
enum class weights {
  equal,
  /// Every other worker counts twice.
  one_and_two,
};

inline std::uint32_t weight_of(cohort::worker_id worker, weights how) noexcept
{
  return how == weights::one_and_two && worker % 2 == 0 ? 2 : 1;
}

/// A server whose requests say for how long they occupy their worker, `GET /MICROSECONDS`, and
/// whose answers say which one that was. An occupied worker sleeps in its event loop: it does
/// nothing else meanwhile, as if it computed, and leaves the processors to the others.
class policy_server {
public:
  /// @param credit a number, "adaptive", or nothing for the usual one.
  static asio::awaitable<void> serve(cohort::this_worker& self, std::string credit)
  {
    const asio::ip::tcp::endpoint anywhere(asio::ip::address_v4::loopback(), 0);
    cohort::listen_options options;
    if (credit == "adaptive") options.credit(128).adaptive_credit(true);
    else if (!credit.empty()) options.credit(unsigned(std::stoul(credit)));
    auto acceptor = co_await self.listen(anywhere, options);
    for (;;) {
      auto client = co_await acceptor.async_accept();
      asio::co_spawn(self.get_executor(), answer(std::move(client), self.id()), asio::detached);
    }
  }

  static asio::awaitable<void> supervise(
      cohort::cluster<cohort::any_policy>& cluster, unsigned workers, weights how)
  {
    auto all = co_await cluster.co_fork_all(workers);
    std::uint16_t port = 0;
    std::vector<pid_t> pids;
    for (cohort::worker& each : all) {
      each.weight(weight_of(each.id(), how));
      const auto event = co_await each.listening();
      port = event.port;
      pids.push_back(event.pid);
    }
    print_ready(port, pids);
  }

private:
  static std::chrono::microseconds wanted(std::string_view request)
  {
    constexpr std::string_view start = "GET /";
    unsigned microseconds = 0;
    if (request.starts_with(start))
      std::from_chars(request.data() + start.size(), request.data() + request.size(), microseconds);
    return std::chrono::microseconds(microseconds);
  }

  static asio::awaitable<void> answer(
      cohort::connection<asio::ip::tcp> client, cohort::worker_id worker)
  {
    std::array<char, 1024> data;
    std::size_t used = 0;
    std::error_code error;
    while (request_size(std::string_view(data.data(), used)) == 0) {
      const auto room = asio::buffer(data.data() + used, data.size() - used);
      const std::size_t arrived =
          co_await client.async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
      if (error || arrived == 0) co_return;
      used += arrived;
    }
    const auto busy = wanted(std::string_view(data.data(), used));
    if (busy.count() != 0) std::this_thread::sleep_for(busy);
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n"
                                 "Worker: " +
                                 std::to_string(worker) + "\r\n\r\nhello world\n";
    const auto bytes = asio::buffer(response);
    co_await asio::async_write(client, bytes, asio::redirect_error(asio::use_awaitable, error));
  }
};

} // namespace cohort_benchmark
