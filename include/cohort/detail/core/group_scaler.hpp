// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/autoscale.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/lifecycle/scaling.hpp>
#include <cohort/metrics.hpp>

#include <asio/any_io_executor.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace cohort::detail {

/// Has a group look how many workers it should have, again and again, if it has a rule for that.
class group_scaler {
public:
  using clock = std::chrono::steady_clock;

  group_scaler(const asio::any_io_executor& executor, const std::optional<autoscale>& how)
      : how_(how),
        alarm_(executor)
  {
    if (how_) scaling_.emplace(how_->min(), how_->max(), how_->cooldown());
  }

  /// Calls `group->scale()` from time to time, until `end`. The group owns this.
  template <class Group>
  void begin(std::shared_ptr<Group> group)
  {
    if (!how_) return;
    alarm_.set_after(how_->interval(), [this, group = std::move(group)] {
      this->begin(group);
      group->scale();
    });
  }
  void end() noexcept { alarm_.call_off(); }

  /// How many workers there are to be. Only with a rule.
  /// @param group of a group whose number may change; see `forget`.
  unsigned decide(const group_metrics& group)
  {
    return scaling_->decide(how_->wanted()(group), group.workers, clock::now());
  }
  /// What was wanted so far says nothing any more.
  void forget() noexcept
  {
    if (scaling_) scaling_->forget();
  }

private:
  std::optional<autoscale> how_;
  std::optional<scaling> scaling_;
  io::alarm alarm_;
};

} // namespace cohort::detail
