// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/worker_id.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace cohort {

/// What `select` returns to leave a connection in the queue until a member changes.
inline constexpr std::size_t wait = std::numeric_limits<std::size_t>::max();

/// One member of a listener as its scheduling policy sees it. The array of members is contiguous,
/// in the order in which they joined, and kept up to date; a policy only reads it.
class candidate {
public:
  using clock = std::chrono::steady_clock;

  candidate() = default;
  explicit candidate(worker_id member) noexcept : id(member) {}

  /// Whether it may be chosen: it has credit left, its channel has room, it is not draining, and
  /// its weight is not 0.
  bool ready() const noexcept { return open_to_offers && weight != 0 && offers < window; }

  /// For how long it has been a member.
  clock::duration age(clock::time_point now) const noexcept { return now - since; }

  worker_id id = 0;
  /// Its place in the cluster: the lowest number that no other worker had when it was started. Who
  /// replaces a worker that is gone has its place.
  std::uint32_t slot = 0;
  /// Which version of the program it runs, as the primary counts them (`settings::generation`).
  std::uint32_t generation = 0;
  /// Its share of the connections in proportion to the others', for policies that heed it. 0: it
  /// gets none.
  std::uint32_t weight = 1;
  /// Connections offered to it that it has not answered yet.
  std::uint32_t offers = 0;
  /// How many unanswered offers it allows at a time: its credit, 0 when it has withdrawn it.
  std::uint32_t window = 0;
  /// Connections it has taken and, as far as it has told, not yet ended.
  std::uint32_t connections = 0;
  /// What it reported last of its load (`this_worker::report_load`), in units of its own.
  std::uint32_t load = 0;
  /// False while its channel has no room, and while it is leaving.
  bool open_to_offers = true;
  /// It drains, or listens no more, and is only here until its last connections have ended.
  bool leaving = false;
  /// Its place in the order of joining: larger than that of all who joined before it, never used
  /// twice by one listener.
  std::uint64_t joined = 0;
  /// When it joined.
  clock::time_point since{};
};

} // namespace cohort
