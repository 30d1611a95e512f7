// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/counters.hpp>
#include <cohort/detail/core/worker_core.hpp>
#include <cohort/detail/lifecycle/counter_sum.hpp>
#include <cohort/detail/lifecycle/group_state.hpp>
#include <cohort/detail/lifecycle/restart.hpp>
#include <cohort/event.hpp>
#include <cohort/worker_id.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace cohort::detail {

/// The counter for workers that were replaced for this reason.
std::uint64_t& retired_for(group_counters& counters, retire_reason reason) noexcept;

/// Counts what happens to the workers of a group.
class group_tally {
public:
  /// Its requests count for the group, from now on and when it has ended.
  void runs(std::shared_ptr<worker_core> worker);
  void started(std::shared_ptr<worker_core> worker)
  {
    ++counters_.started;
    runs(std::move(worker));
  }
  void retires(worker_id worker, retire_reason why);
  /// @param before how the group was when it heard of it.
  void ended(worker_id worker, const group_state& before, worker_end how);

  void reloaded(bool well) noexcept
  {
    ++counters_.reloads;
    counters_.failed_reloads += well ? 0 : 1;
  }
  /// What is not about one worker.
  group_counters& own() noexcept { return counters_; }
  group_counters counters() const;
  /// No worker is of interest any more.
  void clear() noexcept { running_.clear(); }

private:
  struct entry {
    std::shared_ptr<worker_core> worker;
    std::optional<retire_reason> retires;
  };

  static std::uint64_t& end_of(
      group_counters& counters, const entry& one, const group_state& before, worker_end how);

  group_counters counters_;
  std::map<worker_id, entry> running_;
};

// Implementation

inline std::uint64_t& retired_for(group_counters& counters, retire_reason reason) noexcept
{
  switch (reason) {
  case retire_reason::requests: break;
  case retire_reason::asked: return counters.retired_asked;
  case retire_reason::age: return counters.retired_age;
  case retire_reason::memory: return counters.retired_memory;
  case retire_reason::descriptors: return counters.retired_descriptors;
  }
  return counters.retired_requests;
}

inline void group_tally::runs(std::shared_ptr<worker_core> worker)
{
  const worker_id id = worker->id();
  running_[id].worker = std::move(worker);
}

inline void group_tally::retires(worker_id worker, retire_reason why)
{
  const auto found = running_.find(worker);
  if (found != running_.end() && !found->second.retires) found->second.retires = why;
}

inline void group_tally::ended(worker_id worker, const group_state& before, worker_end how)
{
  const auto found = running_.find(worker);
  if (found == running_.end()) return;
  counters_.requests += found->second.worker->requests();
  ++end_of(counters_, found->second, before, how);
  running_.erase(found);
}

inline std::uint64_t& group_tally::end_of(
    group_counters& counters, const entry& one, const group_state& before, worker_end how)
{
  if (one.worker->was_hung()) return counters.hung;
  const auto& leaving = before.roster().leaving();
  if (const auto found = leaving.find(one.worker->id()); found != leaving.end()) {
    if (before.stopping()) return counters.dismissed;
    if (found->second != before.wanted()) return counters.reloaded;
    return one.retires ? retired_for(counters, *one.retires) : counters.dismissed;
  }
  if (!before.roster().is_ready(one.worker->id())) return counters.never_ready;
  return how == worker_end::announced || how == worker_end::normal ? counters.left : counters.died;
}

inline group_counters group_tally::counters() const
{
  group_counters all = counters_;
  for (const auto& [id, each] : running_) all.requests += each.worker->requests();
  return all;
}

} // namespace cohort::detail
