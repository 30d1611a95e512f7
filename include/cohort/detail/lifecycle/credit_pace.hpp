// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/control_messages.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace cohort::detail {

/// How many offers one worker should have at a time, as it turns out.
///
/// An offer that waits at a worker for long could have been taken by another one: then there are
/// too many. When connections wait because all workers have as many as they may, and this one takes
/// its offers at once, there are too few: it waits for the primary.
class credit_pace {
public:
  using clock = std::chrono::steady_clock;

  /// @param starved as that of `taken`.
  explicit credit_pace(std::uint64_t starved = 0) noexcept : starved_before_(starved) {}

  std::uint32_t window() const noexcept { return window_; }

  /// So many offers were taken, of which the first was sent at that time.
  /// @param starved how many times so far a connection had to wait because nobody had room.
  /// @param most what it may have in any case.
  void taken(std::uint32_t count, clock::time_point sent, clock::time_point now,
      std::uint64_t starved, std::uint32_t most = wire::max_outstanding) noexcept;

private:
  static constexpr std::chrono::milliseconds too_long_{5};
  static constexpr std::chrono::milliseconds at_once_{1};

  void begin_round(std::uint32_t window, std::uint64_t starved) noexcept
  {
    window_ = left_ = window;
    worst_ = clock::duration(0);
    starved_before_ = starved;
  }

  std::uint32_t window_ = 16;
  // A round is a window of offers; so many are left of it.
  std::uint32_t left_ = window_;
  clock::duration worst_{0};
  std::uint64_t starved_before_;
  // What was sent before has had its effect: one stall of a worker keeps many waiting.
  clock::time_point halved_{};
};

// Implementation

inline void credit_pace::taken(std::uint32_t count, clock::time_point sent, clock::time_point now,
    std::uint64_t starved, std::uint32_t most) noexcept
{
  // What it never had is not what it comes down from.
  window_ = std::min(window_, most);
  if (sent < halved_) return;
  worst_ = std::max(worst_, now - sent);
  left_ -= std::min(left_, count);
  // Before the round is over: others must not wait as well.
  if (worst_ > too_long_) {
    halved_ = now;
    return begin_round(std::max(window_ / 2, 1U), starved);
  }
  if (left_ != 0) return;
  const bool more = starved != starved_before_ && worst_ < at_once_;
  begin_round(more ? std::min(window_ + 1, most) : window_, starved);
}

} // namespace cohort::detail
