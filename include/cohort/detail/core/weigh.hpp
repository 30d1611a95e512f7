// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/group_host.hpp>
#include <cohort/detail/lifecycle/group_place.hpp>
#include <cohort/detail/lifecycle/group_state.hpp>
#include <cohort/worker_id.hpp>

namespace cohort::detail {

/// Notes what the workers of a group have to do, before some of them have to leave.
inline void weigh(group_state& state, group_host& host)
{
  const auto connections = host.live_connections();
  state.weigh([&](worker_id worker) {
    worker_burden burden;
    if (const auto found = host.find(worker)) burden.stalled = found->is_stalled();
    if (const auto live = connections.find(worker); live != connections.end())
      burden.connections = live->second;
    return burden;
  });
}

} // namespace cohort::detail
