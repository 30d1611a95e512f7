// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/measure.hpp>
#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/lifecycle/group_state.hpp>
#include <cohort/detail/supervision/group_table.hpp>
#include <cohort/metrics.hpp>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace cohort::detail {

/// What a group says of itself, without what its workers do.
group_metrics describe_group(const supervised_group& group);
/// Adds what a worker of the group does and uses.
void add_worker(group_metrics& group, const worker_metrics& worker, bool leaving);

/// A group as it is now.
/// @param core as for `measure_cluster`.
template <class Core>
group_metrics measure_group(
    const Core& core, const group_table& groups, const supervised_group& group);

/// A cluster and its groups as they are now.
template <class Core>
supervisor_metrics measure_groups(const Core& core, const group_table& groups);

// Implementation

inline group_metrics describe_group(const supervised_group& group)
{
  const group_state& state = group.state();
  group_metrics one;
  one.name = group.description().name();
  one.counters = group.tally().counters();
  one.workers = state.stopping() ? 0 : state.count();
  one.ready = state.roster().ready();
  for (const group_place& place : state.roster().places())
    one.starting += (place.current.boots() ? 1U : 0U) + (place.next.boots() ? 1U : 0U);
  one.leaving = static_cast<unsigned>(state.roster().leaving().size());
  one.generation = state.generation();
  one.reloading = state.reload_state().runs();
  one.gave_up = state.gave_up();
  one.resting = group.rests();
  return one;
}

inline void add_worker(group_metrics& group, const worker_metrics& worker, bool leaving)
{
  group.memory += worker.memory.value_or(0);
  group.descriptors += worker.descriptors.value_or(0);
  if (leaving) return;
  group.offers += worker.offers;
  group.connections += worker.connections;
  group.load += worker.load;
  group.loop_lag = std::max(group.loop_lag, worker.loop_lag);
}

template <class Core>
group_metrics measure_group(
    const Core& core, const group_table& groups, const supervised_group& group)
{
  group_metrics one = describe_group(group);
  auto figures = figures_of_workers(core.connections());
  std::set<worker_id> own;
  for (const auto& each : find_workers(core, groups, group)) {
    own.insert(each->id());
    const bool leaving = group.state().roster().leaving().contains(each->id());
    add_worker(one, measure_worker(*each, figures[each->id()]), leaving);
  }
  core.connections().visit_listeners([&](const auto& listener, const listen_key&) {
    const bool listens = std::ranges::any_of(
        listener.candidates(), [&](const candidate& each) { return own.contains(each.id); });
    if (listens) one.queue += listener.queue_size();
  });
  return one;
}

template <class Core>
supervisor_metrics measure_groups(const Core& core, const group_table& groups)
{
  supervisor_metrics all;
  static_cast<cluster_metrics&>(all) = measure_cluster(core);
  for (const auto& each : groups.all()) all.groups.push_back(measure_group(core, groups, *each));
  for (worker_metrics& each : all.workers) {
    const supervised_group* const owner = groups.owner(each.worker);
    if (!owner) continue;
    const group_roster& roster = owner->state().roster();
    // For its group it may serve without having said so.
    if (!each.ready) each.ready = roster.is_ready(each.worker);
    if (roster.leaving().contains(each.worker)) each.leaving = true;
  }
  return all;
}

} // namespace cohort::detail
