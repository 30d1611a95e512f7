// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/cluster_fixture.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// Workers with the role "listener", see tests/process/node/listen_role.cpp.

namespace cohort_test {

/// The port in "ok 127.0.0.1:4711", 0 when there is none.
inline std::uint16_t port_in(const std::string& reply)
{
  const auto colon = reply.rfind(':');
  if (!reply.starts_with("ok ") || colon == reply.npos) return 0;
  return static_cast<std::uint16_t>(std::stoi(reply.substr(colon + 1)));
}

inline const std::string address_in_use = "error system Address already in use";
inline const std::string cancelled = "error asio.system Operation aborted.";

/// One that is online and waits for commands.
template <class Policy>
awaitable<cohort::worker> start_listener(basic_cluster_fixture<Policy>& primary)
{
  const cohort::environment variables = primary.controlled(role("listener"));
  cohort::worker started = co_await primary.cluster().co_fork(variables);
  co_await started.online();
  co_return started;
}

template <class Policy>
awaitable<std::vector<cohort::worker>> start_listeners(
    basic_cluster_fixture<Policy>& primary, unsigned count)
{
  std::vector<cohort::worker> started;
  while (started.size() != count) {
    cohort::worker one = co_await start_listener(primary);
    started.push_back(std::move(one));
  }
  co_return started;
}

/// What the worker answers to "listen SPEC": it has to succeed. Its port.
template <class Policy>
awaitable<std::uint16_t> listen_on(
    basic_cluster_fixture<Policy>& primary, cohort::worker worker, std::string spec)
{
  const std::string reply = co_await primary.command(worker, "listen " + spec);
  CHECK_MESSAGE(port_in(reply) != 0, reply);
  co_return port_in(reply);
}

/// Waits until the worker has as many descriptors as it had.
template <class Policy>
awaitable<bool> has_descriptors(
    basic_cluster_fixture<Policy>& primary, cohort::worker worker, std::string before)
{
  for (int i = 0; i != 200; ++i) {
    const std::string now = co_await primary.command(worker, "descriptors");
    if (now == before) co_return true;
  }
  co_return false;
}

} // namespace cohort_test
