// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace cohort::detail {

/// What is due for a process that has to end.
enum class end_step : std::uint8_t { none, terminate, kill };

/// When a process that has to end is terminated, and when it is killed.
///
/// Whatever is demanded in whatever order: no time that was set is ever moved back.
template <class Clock>
class end_schedule {
public:
  using duration = typename Clock::duration;
  using time_point = typename Clock::time_point;

  /// It may end by itself until `when`; then it is terminated, and `grace` later killed.
  void terminate_at(time_point when, duration grace) noexcept
  {
    if (terminated_ || (terminate_ && *terminate_ <= when)) return;
    terminate_ = when;
    grace_ = grace;
  }

  /// It is killed at `when`, terminated before or not.
  void kill_at(time_point when) noexcept { kill_ = kill_ ? std::min(*kill_, when) : when; }

  /// When something is due next.
  std::optional<time_point> next() const noexcept
  {
    if (!terminate_ || !kill_) return terminate_ ? terminate_ : kill_;
    return std::min(*terminate_, *kill_);
  }

  /// What is to be done now. The grace begins now, however late that is.
  end_step due(time_point now) noexcept
  {
    if (kill_ && *kill_ <= now) {
      kill_.reset();
      terminate_.reset();
      terminated_ = true;
      return end_step::kill;
    }
    if (!terminate_ || *terminate_ > now) return end_step::none;
    terminate_.reset();
    terminated_ = true;
    kill_at(now + grace_);
    return end_step::terminate;
  }

private:
  std::optional<time_point> terminate_;
  std::optional<time_point> kill_;
  duration grace_{};
  bool terminated_ = false;
};

} // namespace cohort::detail
