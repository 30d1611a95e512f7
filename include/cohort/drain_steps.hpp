// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace cohort {

/// How a `connection_scope` ends the connections that live when the drain begins: what is done to
/// them, and when. All times but the graces are measured from the begin of the drain.
class drain_steps {
public:
  using duration = std::chrono::steady_clock::duration;

  drain_steps() = default;

  /// How long a connection that waits for a further request may go on waiting, counted from the
  /// begin of the drain, or from the begin of its wait when that is later: what the client has sent
  /// by then is still answered. Then its wait is cancelled. Default: 500 ms.
  drain_steps& idle_grace(duration value) &
  {
    idle_grace_ = bounded(value);
    return *this;
  }
  drain_steps idle_grace(duration value) && { return idle_grace(value); }

  /// The same for a connection that waits for its first request, of which the client cannot know
  /// that it was not read. Default: one second.
  drain_steps& fresh_grace(duration value) &
  {
    fresh_grace_ = bounded(value);
    return *this;
  }
  drain_steps fresh_grace(duration value) && { return fresh_grace(value); }

  /// When all that remain get total cancellation: operations that have done nothing yet end, a
  /// coroutine that goes on ends with its next `co_await`. Default: 8 tenths of the deadline.
  drain_steps& total(duration value) &
  {
    total_ = bounded(value);
    return *this;
  }
  drain_steps total(duration value) && { return total(value); }

  /// When all that remain get terminal cancellation: reads and writes end in the middle. Default: 9
  /// tenths of the deadline.
  drain_steps& terminal(duration value) &
  {
    terminal_ = bounded(value);
    return *this;
  }
  drain_steps terminal(duration value) && { return terminal(value); }

  /// When the sockets of all that remain are closed. Should be less than what the primary allows
  /// for the whole worker (`worker::disconnect`, `run_options::drain_deadline`). Default: 10
  /// seconds.
  drain_steps& deadline(duration value) &
  {
    deadline_ = bounded(value);
    return *this;
  }
  drain_steps deadline(duration value) && { return deadline(value); }

  duration idle_grace() const noexcept { return idle_grace_; }
  duration fresh_grace() const noexcept { return fresh_grace_; }
  /// No step comes later than the one that follows it.
  duration total() const noexcept
  {
    return std::min(total_.value_or(deadline_ / 10 * 8), terminal());
  }
  duration terminal() const noexcept
  {
    return std::min(terminal_.value_or(deadline_ / 10 * 9), deadline_);
  }
  duration deadline() const noexcept { return deadline_; }

private:
  // So that whoever means "never" by the longest duration there is can be added to a time.
  static duration bounded(duration value) noexcept
  {
    return std::clamp<duration>(value, duration(0), std::chrono::hours(24 * 365));
  }

  duration idle_grace_ = std::chrono::milliseconds(500);
  duration fresh_grace_ = std::chrono::seconds(1);
  std::optional<duration> total_;
  std::optional<duration> terminal_;
  duration deadline_ = std::chrono::seconds(10);
};

} // namespace cohort
