// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listener_figures.hpp>
#include <cohort/detail/core/worker_core.hpp>
#include <cohort/metrics.hpp>

namespace cohort::detail {

/// A worker as it is now.
/// @param figures what it has at its listeners.
inline worker_metrics measure_worker(worker_core& worker, const connection_figures& figures)
{
  worker_metrics one;
  one.worker = worker.id();
  one.pid = worker.pid();
  one.group = worker.group();
  one.slot = worker.description().slot;
  one.generation = worker.description().generation;
  one.ready = worker.state().is_ready();
  one.stalled = worker.is_stalled();
  one.leaving = worker.state().exited_after_disconnect();
  one.offers = figures.offers;
  one.connections = figures.connections;
  one.requests = worker.requests();
  one.load = worker.description().load;
  one.loop_lag = worker.lag();
  const io::process_usage usage = worker.usage();
  one.memory = usage.memory;
  one.descriptors = usage.descriptors;
  return one;
}

/// A cluster as it is now.
/// @param core has `connections()`, a `dispatcher`, and `workers()`.
template <class Core>
cluster_metrics measure_cluster(const Core& core)
{
  cluster_metrics all;
  all.counters = core.connections().counters();
  all.listeners = measure_listeners(core.connections());
  auto figures = figures_of_workers(core.connections());
  for (const auto& each : core.workers())
    all.workers.push_back(measure_worker(*each, figures[each->id()]));
  return all;
}

} // namespace cohort::detail
