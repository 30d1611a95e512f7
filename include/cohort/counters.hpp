// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace cohort {

/// What has happened to connections, counted by the primary since it began.
///
/// Every accepted connection ends in exactly one of `taken`, `closed`, `overflowed`, `unserved`, or
/// is still queued or offered. A connection may be offered several times.
struct connection_counters {
  /// Accepted by the primary, and ready to be scheduled: without those whose first bytes a policy
  /// still waits for.
  std::uint64_t accepted = 0;
  /// Sent to a worker, each time counted.
  std::uint64_t offered = 0;
  /// Acknowledged by a worker: from then on it alone owns the connection.
  std::uint64_t taken = 0;
  /// Given back by a living worker: no room, draining, or unusable.
  std::uint64_t refused = 0;
  /// Put back into the queue, after a refusal or after the death of the worker it was offered to.
  std::uint64_t redispatched = 0;
  /// Taken by a worker that then died with the connection open, as far as it had told.
  std::uint64_t lost = 0;
  /// Closed by the primary without a worker: none was left, or no worker could use it.
  std::uint64_t closed = 0;
  /// Answered by the primary as `overflow` says, because no worker had room.
  std::uint64_t overflowed = 0;
  /// Answered by the primary as `cluster::answer` says, because no worker listened there.
  std::uint64_t unserved = 0;
};

/// What has happened to the workers of a supervised group, counted by the primary since it began.
///
/// Every worker that was started runs still, or has ended in exactly one of the ways below from
/// `dismissed` to `hung`. Those who were told to leave count as such however they ended then.
struct group_counters {
  /// Workers that were started.
  std::uint64_t started = 0;
  /// Starts of which no process came.
  std::uint64_t start_failures = 0;

  /// Told to leave: the group was to have fewer workers, or to end.
  std::uint64_t dismissed = 0;
  /// Told to leave because of a reload: of the generation before, or of one that was not to be.
  std::uint64_t reloaded = 0;
  /// Replaced, the new one ready first, for the reason of that name: see `retire_reason`.
  std::uint64_t retired_requests = 0;
  std::uint64_t retired_asked = 0;
  std::uint64_t retired_age = 0;
  std::uint64_t retired_memory = 0;
  std::uint64_t retired_descriptors = 0;
  /// Left by itself, was told to by the program, or ended with status 0.
  std::uint64_t left = 0;
  /// Ended by a signal or with another status.
  std::uint64_t died = 0;
  /// Ended before it was ready, however, or was killed because it was not ready in time.
  std::uint64_t never_ready = 0;
  /// Was ended because its event loop was not heard: see `settings::heartbeat`.
  std::uint64_t hung = 0;

  /// How often the group gave up.
  std::uint64_t gave_up = 0;
  /// Reloads that came to their end, and those of them that changed nothing.
  std::uint64_t reloads = 0;
  std::uint64_t failed_reloads = 0;
  /// Requests that the programs of all its workers say they have answered.
  std::uint64_t requests = 0;
};

} // namespace cohort
