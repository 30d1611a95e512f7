// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

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

  /// @param said the bounds, if any were said. Else a server, which has listeners, may be scaled,
  ///   and what may be meant to be alone not.
  static group_size of(
      const std::optional<std::pair<unsigned, unsigned>>& said, bool has_listeners, unsigned count)
  {
    if (said) return {said->first, said->second};
    return has_listeners ? group_size(1, 4 * std::max(count, 1U)) : group_size();
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
