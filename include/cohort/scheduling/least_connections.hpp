// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/detail/lifecycle/score_tree.hpp>
#include <cohort/scheduling/measure.hpp>
#include <cohort/scheduling/policy.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

namespace cohort {

/// The member with the lowest measure; among equals each in its turn.
///
/// In a listener it keeps a tournament of its members, so that a choice and a change take time in
/// proportion to the logarithm of their number. Whoever calls `select` alone, without `on_change`,
/// gets the same from a look at all of them.
///
/// Source: the least connections of nginx and HAProxy.
template <load_measure Measure>
class least {
public:
  least() = default;
  explicit least(Measure measure) : measure_(measure) {}

  std::size_t select(std::span<const candidate> members, const connection_info&) noexcept;
  void on_change(std::span<const candidate> members, std::size_t index) noexcept;

private:
  double score(const candidate& member) const noexcept
  {
    return member.ready() ? static_cast<double>(measure_(member)) : detail::score_tree::out;
  }
  void index(std::span<const candidate> members) noexcept;
  bool is_indexed(std::span<const candidate> members) const noexcept
  {
    // Who joins comes last, so that no other members have the same number and the same end.
    return scores_.size() == members.size() && last_ == members.back().joined;
  }
  std::size_t look_at_all(std::span<const candidate> members) const noexcept;
  std::size_t chosen(std::size_t index) noexcept
  {
    next_ = index + 1;
    return index;
  }

  Measure measure_{};
  // Behind the member that was chosen last.
  std::size_t next_ = 0;
  // Of the members as `on_change` shows them: `select` may get others from a policy around this
  // one.
  detail::score_tree scores_;
  std::uint64_t last_ = 0;
};

/// The member with the fewest open connections in proportion to its weight; those on their way to
/// it count.
using least_connections = least<open_connections>;

/// The member with the lowest load that it reports itself, in proportion to its weight.
using least_load = least<reported_load>;

// Implementation

template <load_measure Measure>
std::size_t least<Measure>::select(
    std::span<const candidate> members, const connection_info&) noexcept
{
  if (members.empty()) return wait;
  if (is_indexed(members)) {
    if (scores_.lowest() == detail::score_tree::out) return wait;
    const std::size_t found = scores_.find_lowest(next_);
    // Otherwise it is only shown as not ready.
    if (members[found].ready()) return chosen(found);
  }
  const std::size_t found = look_at_all(members);
  return found == wait ? wait : chosen(found);
}

template <load_measure Measure>
void least<Measure>::on_change(std::span<const candidate> members, std::size_t index) noexcept
{
  if (is_indexed(members)) scores_.set(index, score(members[index]));
  else this->index(members);
}

// Without memory for it there is none.
template <load_measure Measure>
void least<Measure>::index(std::span<const candidate> members) noexcept
{
  try {
    scores_.reset(members.size());
  } catch (const std::bad_alloc&) {
    scores_.clear();
    return;
  }
  for (std::size_t i = 0; i != members.size(); ++i) scores_.set(i, score(members[i]));
  last_ = members.back().joined;
}

template <load_measure Measure>
std::size_t least<Measure>::look_at_all(std::span<const candidate> members) const noexcept
{
  std::size_t best = wait;
  double lowest = detail::score_tree::out;
  for (std::size_t n = 0, i = next_; n != members.size(); ++n, ++i) {
    if (i >= members.size()) i = 0;
    const double score = this->score(members[i]);
    if (score < lowest) {
      lowest = score;
      best = i;
    }
  }
  return best;
}

static_assert(scheduling_policy<least_connections>);
static_assert(scheduling_policy<least_load>);

} // namespace cohort
