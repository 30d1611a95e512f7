// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/lifecycle/counter_sum.hpp>
#include <cohort/metrics.hpp>
#include <cohort/totals.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace cohort::detail {

/// Where a listener is bound, for people.
template <class Listener>
std::string listener_name(const Listener& listener, const listen_key& asked)
{
  return asked.path.empty() ? listener.bound().to_string() : asked.path;
}

/// What a worker has at all listeners together, or the workers of a group at theirs.
struct connection_figures {
  std::size_t offers = 0;
  std::size_t connections = 0;
};

/// What each worker has, on all listeners of a `dispatcher`.
template <class Connections>
std::map<worker_id, connection_figures> figures_of_workers(const Connections& connections)
{
  std::map<worker_id, connection_figures> all;
  connections.visit_listeners([&](const auto& listener, const listen_key&) {
    for (const candidate& each : listener.candidates()) {
      connection_figures& worker = all[each.id];
      worker.offers += each.offers;
      worker.connections += each.connections;
    }
  });
  return all;
}

/// How many connections each worker has or is offered.
template <class Connections>
std::map<worker_id, std::uint64_t> live_connections(const Connections& connections)
{
  std::map<worker_id, std::uint64_t> all;
  for (const auto& [worker, figures] : figures_of_workers(connections))
    all[worker] = std::uint64_t(figures.connections) + figures.offers;
  return all;
}

/// All listeners of a `dispatcher`, those at the same address as one.
template <class Connections>
std::vector<listener_metrics> measure_listeners(const Connections& connections)
{
  std::vector<listener_metrics> all;
  connections.visit_listeners([&](const auto& listener, const listen_key& asked) {
    const std::string name = listener_name(listener, asked);
    auto found = std::ranges::find(all, name, &listener_metrics::address);
    if (found == all.end()) {
      found = all.emplace(all.end());
      found->address = name;
      found->counters = connections.ledger().of(name);
    }
    found->counters += listener.counters();
    found->queue += listener.queue_size();
    for (const candidate& each : listener.candidates()) {
      found->workers += each.leaving ? 0 : 1;
      found->offers += each.offers;
      found->connections += each.connections;
    }
  });
  return all;
}

/// What was counted at all listeners of a `dispatcher`, those included that are gone.
template <class Connections>
std::vector<listener_totals> count_listeners(const Connections& connections)
{
  std::vector<listener_totals> all = connections.ledger().all();
  connections.visit_listeners([&](const auto& listener, const listen_key& asked) {
    const std::string name = listener_name(listener, asked);
    auto found = std::ranges::find(all, name, &listener_totals::address);
    if (found == all.end()) found = all.insert(all.end(), listener_totals{name, {}});
    found->counters += listener.counters();
  });
  return all;
}

} // namespace cohort::detail
