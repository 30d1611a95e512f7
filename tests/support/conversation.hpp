// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/client.hpp"
#include "support/cluster_fixture.hpp"
#include "support/load.hpp"

#include <asio/awaitable.hpp>
#include <cstddef>
#include <doctest/doctest.h>
#include <string>
#include <vector>

// Clients that talk to workers while the primary, in the same thread as the test, goes on.

namespace cohort_test {

/// Connects, asks once and waits until the server closes.
inline awaitable<answer> ask_at(cluster_fixture& primary, address where)
{
  answer result;
  auto work = [&] { result = ask(where); };
  co_await primary.in_thread(work);
  co_return result;
}

/// One request on a connection, and its answer.
inline awaitable<answer> ask_on(cluster_fixture& primary, client& one, std::string verb = "keep")
{
  answer result;
  auto work = [&] { result = one.ask(verb); };
  co_await primary.in_thread(work);
  co_return result;
}

/// Waits until the server closes.
inline awaitable<outcome> end_of(cluster_fixture& primary, client& one)
{
  outcome result = outcome::timeout;
  auto work = [&] { result = one.receive_end(); };
  co_await primary.in_thread(work);
  co_return result;
}

/// Clients that have connected and sent their request; the kernel holds both.
inline std::vector<client> connect_many(
    const address& where, std::size_t count, const char* verb = "get")
{
  std::vector<client> clients;
  while (clients.size() != count) {
    clients.emplace_back(where);
    CHECK(clients.back().request(verb) == outcome::ok);
  }
  return clients;
}

/// What they are answered.
inline awaitable<std::vector<answer>> answers_to(
    cluster_fixture& primary, std::vector<client>& clients)
{
  std::vector<answer> answers;
  auto receive = [&] {
    for (client& each : clients) answers.push_back(each.receive_answer());
  };
  co_await primary.in_thread(receive);
  co_return answers;
}

/// Waits until the worker, which takes commands, has been told to drain.
inline awaitable<void> drained(cluster_fixture& primary, cohort::worker worker)
{
  for (std::string draining = "no"; draining != "yes";)
    draining = co_await primary.command(worker, "draining");
}

} // namespace cohort_test
