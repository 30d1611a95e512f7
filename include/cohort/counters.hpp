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

} // namespace cohort
