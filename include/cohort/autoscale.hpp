// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/metrics.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <utility>

namespace cohort {

/// A rule for `autoscale`: as many workers as make it so many connections for each of them, those
/// counted that wait for one.
class connections_per_worker {
public:
  /// @throws std::invalid_argument unless it is above 0.
  explicit connections_per_worker(double value);

  unsigned operator()(const group_metrics& group) const noexcept;

private:
  double value_;
};

/// How a group's number of workers follows what they have to do: a rule that is asked again and
/// again how many there should be, between a least and a most number.
///
///     group.autoscale(cohort::autoscale(2, 16, cohort::connections_per_worker(100)));
///
/// When the rule wants more workers they are started at once. When it wants fewer, those leave that
/// were not wanted at any time for the `cooldown`: a short lull costs no workers, and the group
/// shrinks to the most that was wanted meanwhile. Who leaves, drains first; who that is says
/// docs/scaling.md. A group that rests (SIGWINCH) is not asked for.
/// Source: uWSGI's cheaper, php-fpm's dynamic process manager.
class autoscale {
public:
  using duration = std::chrono::steady_clock::duration;
  /// How many workers there should be, as the group is now. It is called on the supervisor's
  /// executor, and may not call the supervisor; what it throws comes out of the execution context.
  using rule = std::function<unsigned(const group_metrics&)>;

  /// @throws std::invalid_argument unless 0 < min <= max, and for an empty rule.
  autoscale(unsigned min, unsigned max, rule wanted);

  /// How often the rule is asked. Default: a second.
  /// @throws std::invalid_argument when it is not above 0.
  autoscale& interval(duration value) &;
  autoscale interval(duration value) && { return std::move(interval(value)); }

  /// For how long fewer workers have to be wanted before there are fewer. Default: 30 seconds.
  autoscale& cooldown(duration value) &
  {
    cooldown_ = value;
    return *this;
  }
  autoscale cooldown(duration value) && { return std::move(cooldown(value)); }

  unsigned min() const noexcept { return min_; }
  unsigned max() const noexcept { return max_; }
  const rule& wanted() const noexcept { return wanted_; }
  duration interval() const noexcept { return interval_; }
  duration cooldown() const noexcept { return cooldown_; }

private:
  unsigned min_;
  unsigned max_;
  rule wanted_;
  duration interval_ = std::chrono::seconds(1);
  duration cooldown_ = std::chrono::seconds(30);
};

// Implementation

inline connections_per_worker::connections_per_worker(double value) : value_(value)
{
  if (!(value > 0)) throw std::invalid_argument("cohort: no connections for a worker");
}

inline unsigned connections_per_worker::operator()(const group_metrics& group) const noexcept
{
  const double all = static_cast<double>(group.connections + group.offers + group.queue);
  const double most = std::numeric_limits<unsigned>::max();
  return static_cast<unsigned>(std::min(std::ceil(all / value_), most));
}

inline autoscale::autoscale(unsigned min, unsigned max, rule wanted)
    : min_(min),
      max_(max),
      wanted_(std::move(wanted))
{
  if (min == 0 || min > max || !wanted_)
    throw std::invalid_argument("cohort: bad bounds or no rule to scale by");
}

inline autoscale& autoscale::interval(duration value) &
{
  if (value <= duration::zero()) throw std::invalid_argument("cohort: no rule without a pause");
  interval_ = value;
  return *this;
}

} // namespace cohort
