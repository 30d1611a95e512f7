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

/// What a worker has to do, for who has to choose one that is to leave.
struct worker_burden {
  /// Its event loop is not heard.
  bool stalled = false;
  std::uint64_t connections = 0;
};

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
  /// What was seen of it last.
  worker_burden burden;

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

  /// Whether this place is to be given up before `other` when there are to be fewer: one where
  /// nobody is, or nobody who is ready; then where one is not heard, or is to be replaced anyway;
  /// then where there are fewer connections to wait for; then where the younger one is.
  bool goes_before(const group_place& other) const noexcept;
};

// Implementation

inline bool group_place::goes_before(const group_place& other) const noexcept
{
  const auto use = [](const group_place& each) {
    const placed_worker& member = each.current;
    if (!member.present) return 0;
    if (!member.runs()) return 1;
    if (!member.ready) return 2;
    if (member.burden.stalled) return 3;
    return member.retiring ? 4 : 5;
  };
  const int own = use(*this), others = use(other);
  if (own != others) return own < others;
  if (current.burden.connections != other.current.burden.connections)
    return current.burden.connections < other.current.burden.connections;
  return current.since > other.current.since;
}

} // namespace cohort::detail
