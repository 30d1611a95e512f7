// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace cohort::detail {

/// Makes of what a rule wants from time to time how many workers there are to be: more at once,
/// fewer only when they were not wanted for a while.
class scaling {
public:
  using time = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;

  scaling(unsigned min, unsigned max, duration cooldown) noexcept
      : min_(min),
        max_(max),
        cooldown_(cooldown)
  {
  }

  /// @param wanted what the rule says now.
  /// @param count how many there are to be so far, whoever has said so.
  unsigned decide(unsigned wanted, unsigned count, time now) noexcept
  {
    wanted = std::clamp(wanted, min_, max_);
    if (count > max_) return forget(max_);
    if (wanted >= count) return forget(wanted);
    if (!fewer_since_) {
      fewer_since_ = now;
      most_ = wanted;
    }
    most_ = std::max(most_, wanted);
    return now - *fewer_since_ < cooldown_ ? count : forget(most_);
  }

  /// What was wanted before says nothing any more.
  void forget() noexcept { fewer_since_.reset(); }

private:
  unsigned forget(unsigned count) noexcept
  {
    forget();
    return count;
  }

  unsigned min_;
  unsigned max_;
  duration cooldown_;
  // Since when fewer are wanted than there are, and the most of what was wanted since then.
  std::optional<time> fewer_since_;
  unsigned most_ = 0;
};

} // namespace cohort::detail
