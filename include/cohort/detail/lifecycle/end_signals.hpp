// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <utility>

namespace cohort::detail {

/// Tells the signals by which a program is told to end from those by which it is to do so at once.
class end_signals {
public:
  using clock = std::chrono::steady_clock;

  /// How far apart one that goes to a whole process group and what another process of it passes on
  /// may come.
  static constexpr std::chrono::seconds same_moment{1};

  /// Such a signal has come.
  /// @param passed_on whether each may come twice: to the process group, and from the program that
  ///   this one is to replace. Then the second one of a moment is the first one.
  /// @return whether this one is to be obeyed at once.
  bool is_second(clock::time_point now, bool passed_on) noexcept
  {
    if (!first_) {
      first_ = now;
      return false;
    }
    const bool is_same = passed_on && now - *first_ < same_moment;
    return std::exchange(repeated_, true) || !is_same;
  }

private:
  std::optional<clock::time_point> first_;
  // Whether another one has come after it.
  bool repeated_ = false;
};

} // namespace cohort::detail
