// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/worker_id.hpp>

#include <chrono>
#include <cstdint>

namespace cohort::detail {

using group_time = std::chrono::steady_clock::time_point;

/// So much later; never, where the clock ends before.
inline group_time after(group_time time, group_time::duration span) noexcept
{
  return span < group_time::max() - time ? time + span : group_time::max();
}

/// A worker in a place of a group.
struct placed_worker {
  /// It is wanted: on its way to be started, or running.
  bool present = false;
  /// 0 until it is started.
  worker_id id = 0;
  std::uint32_t generation = 0;
  bool ready = false;
  /// It took too long to be ready, and was killed; or there is no such limit for it.
  bool late = false;
  /// Another one is to take its place.
  bool retiring = false;
  /// When it was started, and once it is ready when it became so.
  group_time since{};

  bool runs() const noexcept { return present && id != 0; }
  bool boots() const noexcept { return present && !ready; }
};

/// One of the places that a group keeps filled.
struct group_place {
  placed_worker current;
  /// Who takes over when it is ready.
  placed_worker next;
  /// Starts in a row after which nobody stayed.
  unsigned starts = 0;
  /// Workers in a row that had enough soon after they were ready.
  unsigned retirements = 0;
  /// No start is made here earlier.
  group_time not_before{};
  /// Nobody is to be here any more.
  bool finished = false;
};

} // namespace cohort::detail
