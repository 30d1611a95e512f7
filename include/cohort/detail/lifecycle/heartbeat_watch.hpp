// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace cohort::detail {

/// What a worker's silence demands.
enum class heartbeat_step : std::uint8_t {
  none,
  /// It is given no connections for now.
  stalled,
  /// It is heard again.
  recovered,
  /// It hangs: it is to end, and to leave a trace of where it hung.
  abort,
  /// It did not.
  kill,
};

/// Judges a worker by how long its event loop was not heard.
///
/// Time in which this process itself did not run is not the worker's: what it said waits unread.
class heartbeat_watch {
public:
  using clock = std::chrono::steady_clock;
  using time = clock::time_point;
  using duration = clock::duration;

  /// @param interval how often it is to be heard.
  /// @param misses after so many intervals of silence it hangs; 0: never.
  /// @param grace how long it may take to end by itself then.
  heartbeat_watch(duration interval, unsigned misses, duration grace) noexcept
      : interval_(interval),
        misses_(misses),
        grace_(grace)
  {
  }

  bool runs() const noexcept { return heard_.has_value(); }
  bool is_stalled() const noexcept { return state_ != state::heard; }

  /// It serves from now on, and its silence counts.
  void begin(time now) noexcept
  {
    heard_ = now;
    look_at_ = now + patience();
  }
  /// It is to end in another way.
  void end() noexcept { heard_.reset(); }

  /// It was heard: `recovered` or nothing. One that hangs has been told to end.
  heartbeat_step beat(time now) noexcept;

  /// Time has passed.
  heartbeat_step tick(time now) noexcept;

  /// When `tick` is wanted next.
  std::optional<time> next() const noexcept
  {
    return heard_ && state_ != state::killed ? std::optional(look_at_) : std::nullopt;
  }

private:
  enum class state : std::uint8_t { heard, stalled, aborted, killed };

  // Half an interval more than it takes.
  duration patience() const noexcept { return interval_ + interval_ / 2; }
  time hangs_at() const noexcept { return *heard_ + interval_ * misses_; }

  duration interval_;
  unsigned misses_;
  duration grace_;
  // When it was heard last.
  std::optional<time> heard_;
  time look_at_{};
  state state_ = state::heard;
};

// Implementation

inline heartbeat_step heartbeat_watch::beat(time now) noexcept
{
  if (!heard_) return heartbeat_step::none;
  heard_ = now;
  if (state_ == state::aborted || state_ == state::killed) return heartbeat_step::none;
  look_at_ = now + patience();
  const bool stalled = state_ == state::stalled;
  state_ = state::heard;
  return stalled ? heartbeat_step::recovered : heartbeat_step::none;
}

inline heartbeat_step heartbeat_watch::tick(time now) noexcept
{
  if (!heard_ || now < look_at_) return heartbeat_step::none;
  // Who looks this late has not looked: the time until now is nobody's.
  if (const duration late = now - look_at_; late > interval_ / 2) {
    *heard_ += late;
    look_at_ = now + interval_ / 2;
    return heartbeat_step::none;
  }
  switch (state_) {
  case state::heard:
    state_ = state::stalled;
    look_at_ = misses_ == 0 ? now + interval_ : std::max(hangs_at(), now);
    return heartbeat_step::stalled;
  case state::stalled:
    if (misses_ == 0 || now < hangs_at()) {
      look_at_ = misses_ == 0 ? now + interval_ : hangs_at();
      return heartbeat_step::none;
    }
    state_ = state::aborted;
    look_at_ = now + grace_;
    return heartbeat_step::abort;
  case state::aborted: state_ = state::killed; return heartbeat_step::kill;
  case state::killed: break;
  }
  return heartbeat_step::none;
}

} // namespace cohort::detail
