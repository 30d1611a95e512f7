// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/worker_id.hpp>

#include <cstdint>
#include <map>

namespace cohort::detail {

/// How many connections each worker has or is offered, on all listeners of a `dispatcher`.
template <class Connections>
std::map<worker_id, std::uint64_t> live_connections(const Connections& connections)
{
  std::map<worker_id, std::uint64_t> all;
  connections.visit_listeners([&](const auto& listener, const listen_key&) {
    for (const candidate& each : listener.candidates())
      all[each.id] += std::uint64_t(each.connections) + each.offers;
  });
  return all;
}

} // namespace cohort::detail
