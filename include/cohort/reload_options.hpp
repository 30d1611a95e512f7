// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/settings.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace cohort {

/// When the old workers leave in a reload.
enum class old_workers : std::uint8_t {
  /// When all new ones are ready: until then a failure changes nothing at all. The default. It
  /// takes twice the memory for a while.
  leave_together,
  /// Each as soon as the one in its place is ready: a failure after that starts workers as they
  /// were before in the places of those that have left.
  leave_one_by_one,
};

/// What a reload does while another one is under way.
enum class second_reload : std::uint8_t {
  /// It fails with `error::busy`. The default.
  is_refused,
  /// It waits for the one that runs, and has its result.
  joins,
};

/// How workers are replaced by new ones.
class reload_options {
public:
  using duration = std::chrono::steady_clock::duration;

  reload_options() = default;

  /// What the new workers are started with, laid over what the old ones of a group had, or over the
  /// settings of a cluster; kept for later starts when the reload succeeds. Default: nothing, the
  /// program and its files alone may have changed.
  reload_options& settings(cohort::settings value) &
  {
    settings_ = std::move(value);
    return *this;
  }
  reload_options settings(cohort::settings value) &&
  {
    return std::move(settings(std::move(value)));
  }

  /// How many new workers may be on their way to be ready at a time; at least 1. Default: 1.
  reload_options& at_once(unsigned workers) &;
  reload_options at_once(unsigned workers) && { return std::move(at_once(workers)); }

  /// The same as a share of the workers there are, rounded up: above 0, at most 1.
  reload_options& ratio(double share) &;
  reload_options ratio(double share) && { return std::move(ratio(share)); }

  /// How long a new worker has to live on after it is ready, before it counts. Default: no time.
  reload_options& probation(duration value) & { return set(probation_, value); }
  reload_options probation(duration value) && { return std::move(probation(value)); }

  /// How long an old worker may take to drain. Default: 30 seconds.
  reload_options& drain_deadline(duration value) & { return set(drain_deadline_, value); }
  reload_options drain_deadline(duration value) && { return std::move(drain_deadline(value)); }

  reload_options& old(old_workers value) & { return set(old_, value); }
  reload_options old(old_workers value) && { return std::move(old(value)); }

  reload_options& when_running(second_reload value) & { return set(second_, value); }
  reload_options when_running(second_reload value) && { return std::move(when_running(value)); }

  const cohort::settings& settings() const noexcept { return settings_; }
  /// For a group of so many.
  unsigned at_once_of(unsigned workers) const;
  duration probation() const noexcept { return probation_; }
  duration drain_deadline() const noexcept { return drain_deadline_; }
  old_workers old() const noexcept { return old_; }
  second_reload when_running() const noexcept { return second_; }

private:
  template <class T>
  reload_options& set(T& field, T value)
  {
    field = value;
    return *this;
  }

  cohort::settings settings_;
  unsigned at_once_ = 1;
  // 0: as `at_once_` says.
  double ratio_ = 0;
  duration probation_ = duration::zero();
  duration drain_deadline_ = std::chrono::seconds(30);
  old_workers old_ = old_workers::leave_together;
  second_reload second_ = second_reload::is_refused;
};

// Implementation

inline reload_options& reload_options::at_once(unsigned workers) &
{
  if (workers == 0) throw std::invalid_argument("cohort: a reload of no workers at a time");
  ratio_ = 0;
  return set(at_once_, workers);
}

inline reload_options& reload_options::ratio(double share) &
{
  if (!(share > 0 && share <= 1)) throw std::invalid_argument("cohort: a reload's ratio");
  return set(ratio_, share);
}

inline unsigned reload_options::at_once_of(unsigned workers) const
{
  if (ratio_ == 0) return at_once_;
  return std::max(1U, static_cast<unsigned>(std::ceil(ratio_ * workers)));
}

} // namespace cohort
