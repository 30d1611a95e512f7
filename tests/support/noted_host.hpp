// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include "support/time_factor.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace cohort_test {

/// The host of listeners that notes what they ask of it. Nothing is sent anywhere: what workers
/// would answer is for the test to say.
struct noted_host {
  struct offer {
    cohort::worker_id worker;
    std::uint32_t listener;
    std::uint64_t first;
    std::uint16_t count;
  };

  bool send_offer(cohort::worker_id worker, const cohort::detail::wire::offer& message,
      std::span<const int> descriptors) noexcept
  {
    ++tries;
    if (full.contains(worker)) return false;
    offers.push_back(offer{worker, message.listener, message.first, message.count});
    if (descriptors.size() != message.count) wrong = true;
    return true;
  }
  bool send_turn(cohort::worker_id worker, const cohort::detail::wire::turn& message) noexcept
  {
    if (full.contains(worker)) return false;
    turns.push_back(std::to_string(worker) + (message.go != 0 ? " goes" : " waits"));
    if (message.listener != 1) wrong = true;
    return true;
  }
  void last_call_done(cohort::worker_id worker) noexcept { called.push_back(worker); }
  void accept_failed(std::error_code) noexcept { wrong = true; }
  bool ending() const noexcept { return is_ending; }

  /// How many connections each offer had that went to `worker`.
  std::vector<int> runs(cohort::worker_id worker) const
  {
    std::vector<int> found;
    for (const offer& each : offers)
      if (each.worker == worker) found.push_back(each.count);
    return found;
  }
  /// How many connections went to `worker`.
  int offered(cohort::worker_id worker) const
  {
    int sum = 0;
    for (const int each : runs(worker)) sum += each;
    return sum;
  }

  std::set<cohort::worker_id> full;
  std::vector<offer> offers;
  std::vector<std::string> turns;
  int tries = 0;
  std::vector<cohort::worker_id> called;
  bool is_ending = false;
  bool wrong = false;
};

/// Clients of a listener in the same process.
struct test_clients {
  explicit test_clients(asio::io_context& c) : context(c) {}

  void connect(const cohort::detail::posix::socket_address& where, int count = 1)
  {
    for (; count != 0; --count) {
      asio::ip::tcp::socket client(context);
      client.connect(where.to_endpoint<asio::ip::tcp::endpoint>());
      sockets.push_back(std::move(client));
    }
  }

  /// Whether the other end has closed, without sending anything.
  bool closed(std::size_t which)
  {
    char byte = 0;
    std::error_code error;
    sockets[which].non_blocking(true);
    sockets[which].read_some(asio::buffer(&byte, 1), error);
    return error == asio::error::eof || error == asio::error::connection_reset;
  }

  asio::io_context& context;
  std::vector<asio::ip::tcp::socket> sockets;
};

/// Runs handlers until `done()`, at most 10 seconds.
template <class Done>
bool run_bounded(asio::io_context& context, Done done)
{
  const auto limit = std::chrono::seconds(10) * time_factor();
  const auto deadline = std::chrono::steady_clock::now() + limit;
  context.restart();
  while (!done() && context.run_one_until(deadline) != 0) {
  }
  return done();
}

} // namespace cohort_test
