// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/counters.hpp>
#include <cohort/worker_id.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace cohort {

/// What `cluster::metrics` and `supervisor::metrics` give: values of one moment. Counters only
/// grow, as long as the primary runs and with `restore` beyond that; the rest goes up and down.

/// A listener. Sockets for datagrams have nothing that could be counted.
struct listener_metrics {
  /// Where it is bound: "127.0.0.1:80", "[::1]:80", "/run/x.sock" or "@abstract".
  std::string address;
  /// Of all listeners at this address, those that are closed included.
  connection_counters counters;
  /// Workers that listen there.
  std::size_t workers = 0;
  /// Accepted connections that wait in the primary for a worker that has room.
  std::size_t queue = 0;
  /// Connections that were offered to a worker which has not answered.
  std::size_t offers = 0;
  /// Connections that live at workers, as far as those have told.
  std::size_t connections = 0;
};

/// A worker whose process has not ended.
struct worker_metrics {
  worker_id worker = 0;
  pid_t pid = 0;
  /// See `settings::group`.
  std::string group;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  /// It serves: see `worker::ready`, and `group::ready_when`.
  bool ready = false;
  /// Its event loop is not heard.
  bool stalled = false;
  /// It drains.
  bool leaving = false;
  /// As for a listener, on all of them.
  std::size_t offers = 0;
  std::size_t connections = 0;
  /// See `worker::requests`, `this_worker::report_load`, `worker::loop_lag`, `worker::memory` and
  /// `worker::descriptors`.
  std::uint64_t requests = 0;
  std::uint32_t load = 0;
  std::chrono::microseconds loop_lag{};
  std::optional<std::uint64_t> memory;
  std::optional<std::uint64_t> descriptors;
};

/// A group of a supervisor.
struct group_metrics {
  std::string name;
  group_counters counters;
  /// How many workers there are to be.
  unsigned workers = 0;
  /// How many of its workers are ready, how many are on the way to that, and how many the group has
  /// told to leave. One that leaves by itself counts as what it was until it has ended.
  unsigned ready = 0;
  unsigned starting = 0;
  unsigned leaving = 0;
  /// That of the workers which stay.
  std::uint32_t generation = 0;
  bool reloading = false;
  bool gave_up = false;
  /// SIGWINCH has let its workers leave.
  bool resting = false;
  /// What its workers have together, but for those on their way out.
  std::size_t offers = 0;
  std::size_t connections = 0;
  std::uint64_t load = 0;
  /// The largest of them.
  std::chrono::microseconds loop_lag{};
  /// Connections that wait in the primary where they listen.
  std::size_t queue = 0;
  /// What all its workers use, in bytes and descriptors, as far as that can be seen; pages that
  /// they share count for each.
  std::uint64_t memory = 0;
  std::uint64_t descriptors = 0;
};

/// A cluster.
struct cluster_metrics {
  /// Of all listeners, those included that are gone, and of earlier processes what was restored.
  connection_counters counters;
  /// In the order in which they came.
  std::vector<listener_metrics> listeners;
  /// By id.
  std::vector<worker_metrics> workers;
};

/// A cluster that a supervisor keeps up.
struct supervisor_metrics : cluster_metrics {
  /// In the order in which they were added.
  std::vector<group_metrics> groups;
};

} // namespace cohort
