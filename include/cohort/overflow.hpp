// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace cohort {

/// What becomes of connections for which no worker has room: each has as many as it wants, or has
/// not taken what it was offered. Or of connections for which there is no worker at all.
///
/// The first is said with the policy `when_full`, and is about listeners whose connections the
/// primary accepts; the second with `cluster::answer`, for a place where the primary itself
/// listens. Unless it is said, connections wait in either case, whatever holds in the other one.
///
/// Source: node-cluster's answer `gone`; Node's `server.dropMaxConnection`.
class overflow {
public:
  using duration = std::chrono::steady_clock::duration;

  /// What a client gets: a place in the queue, some bytes and the end, or a reset.
  enum class answer { queue, refuse, reset };

  /// The longest answer.
  static constexpr std::size_t max_bytes = 16384;
  /// The longest `after`.
  static constexpr std::chrono::hours longest{24 * 365};

  /// They wait, in order: as many in the kernel as the listener's backlog says, and a client beyond
  /// it tries again.
  overflow() = default;
  static overflow queue() { return overflow(); }

  /// They are told, and closed in good order.
  /// @param bytes an HTTP response with status 503, say. `std::length_error` when it is too long.
  static overflow refuse(std::string bytes);

  /// They are reset.
  static overflow reset() { return overflow(answer::reset, std::string()); }

  /// For how long a connection waits for room, or for a worker, before that, anew when it comes
  /// back from a worker that has died or not taken it. A burst of connections is no overflow:
  /// workers that are not full need a moment for it, and one that has just joined until it accepts
  /// for the first time. Default: one second; at most a year, a negative time is none.
  overflow& after(duration value) &;
  overflow after(duration value) && { return after(value); }

  /// How many of them wait in the primary, each with a descriptor; more wait in the kernel
  /// meanwhile. Default: 256; 0 is taken for 1.
  overflow& limit(std::size_t value) &;
  overflow limit(std::size_t value) && { return limit(value); }

  /// What has been said.
  answer how() const noexcept { return how_; }
  const std::string& bytes() const noexcept { return bytes_; }
  duration after() const noexcept { return after_; }
  std::size_t limit() const noexcept { return limit_; }

private:
  overflow(answer how, std::string bytes) : how_(how), bytes_(std::move(bytes)) {}

  answer how_ = answer::queue;
  std::string bytes_;
  duration after_ = std::chrono::seconds(1);
  std::size_t limit_ = 256;
};

// Implementation

inline overflow overflow::refuse(std::string bytes)
{
  if (bytes.size() > max_bytes) throw std::length_error("cohort: the answer is too long");
  return overflow(answer::refuse, std::move(bytes));
}

inline overflow& overflow::after(duration value) &
{
  // Longer than anybody waits, short enough to be added to any time.
  after_ = std::clamp<duration>(value, duration(0), longest);
  return *this;
}

inline overflow& overflow::limit(std::size_t value) &
{
  limit_ = std::max<std::size_t>(value, 1);
  return *this;
}

} // namespace cohort
