// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/group.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace cohort::detail {

/// How signals change the number of a group's workers: one by one within bounds, or to none for a
/// while.
class group_size {
public:
  /// Signals do not change it one by one.
  group_size() = default;
  /// @param min at least 1.
  group_size(unsigned min, unsigned max) noexcept : min_(min), max_(max) {}

  /// Without bounds a server, which has listeners, may be scaled, and what may be meant to be alone
  /// not; nor what a rule scales.
  /// @param count how many there are to be at first.
  static group_size of(const group& description, unsigned count)
  {
    if (description.autoscale()) return {};
    if (const auto said = description.scalable()) return {said->first, said->second};
    return description.listeners().empty() ? group_size() : group_size(1, 4 * std::max(count, 1U));
  }

  /// How many there are to be when there should be one more than `count`.
  unsigned grown(unsigned count) const noexcept { return count < max_ ? count + 1 : count; }
  /// The same with one fewer.
  unsigned shrunk(unsigned count) const noexcept
  {
    return count > min_ && max_ != 0 ? count - 1 : count;
  }

  /// There are none for a while, instead of `count`.
  void rest(unsigned count) noexcept
  {
    if (!rested_) rested_ = count;
  }
  bool rests() const noexcept { return rested_.has_value(); }
  /// That is over: how many there were; nothing when it did not rest.
  std::optional<unsigned> wake() noexcept { return std::exchange(rested_, std::nullopt); }

private:
  unsigned min_ = 0;
  unsigned max_ = 0;
  std::optional<unsigned> rested_;
};

} // namespace cohort::detail
