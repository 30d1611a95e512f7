// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/scheduling/policy.hpp>
#include <cohort/scheduling/wrapper.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace cohort {

/// Lets who has just joined begin slowly, for its caches to fill: the inner policy sees a new
/// member as ready in a part of its choices only, which grows with the member's age from a tenth to
/// all. When nobody else is ready it sees it all the same.
///
/// All who join a listener that had no member are new together, and share evenly.
///
/// Source: `slow_start` of nginx and HAProxy.
template <scheduling_policy Policy>
class slow_start : public policy_wrapper<Policy> {
public:
  using duration = candidate::clock::duration;

  slow_start() requires std::default_initializable<Policy>
  = default;
  /// @param period after which a member is new no more.
  explicit slow_start(Policy policy, duration period = default_period)
      : policy_wrapper<Policy>(std::move(policy)),
        period_(std::max(period, duration(1)))
  {
  }
  explicit slow_start(duration period) requires std::default_initializable<Policy>
      : slow_start(Policy(), period)
  {
  }

  static constexpr std::chrono::seconds default_period{30};

  std::size_t select(
      std::span<const candidate> members, const connection_info& connection) noexcept;

private:
  static constexpr double least_share_ = 0.1;

  bool is_new(const candidate& member, candidate::clock::time_point now) const noexcept
  {
    return member.age(now) < period_;
  }
  // Who is new and not shown this time becomes not ready in `shown_`. False: nobody is to be
  // hidden.
  bool hide(std::span<const candidate> members, candidate::clock::time_point now) noexcept;

  // At least 0, less than 1.
  double draw_lot() noexcept;

  duration period_ = default_period;
  std::vector<candidate> shown_;
  std::uint64_t lots_ = 0;
};

// Implementation

template <scheduling_policy Policy>
std::size_t slow_start<Policy>::select(
    std::span<const candidate> members, const connection_info& connection) noexcept
{
  if (!hide(members, connection.arrival())) return this->inner().select(members, connection);
  const std::size_t chosen = this->inner().select(std::span(std::as_const(shown_)), connection);
  return chosen == wait ? this->inner().select(members, connection) : chosen;
}

template <scheduling_policy Policy>
bool slow_start<Policy>::hide(
    std::span<const candidate> members, candidate::clock::time_point now) noexcept
{
  // Nobody joined after the last one. Those before it are not in order of age: who has left off
  // listening and begins again keeps its place.
  if (members.empty() || !is_new(members.back(), now)) return false;
  const auto is_old = [&](const candidate& member) { return !is_new(member, now); };
  if (std::none_of(members.begin(), members.end(), is_old)) return false;
  try {
    shown_.assign(members.begin(), members.end());
  } catch (const std::bad_alloc&) {
    return false;
  }
  for (candidate& member : shown_) {
    if (!is_new(member, now)) continue;
    const double share = std::chrono::duration<double>(member.age(now)) / period_;
    if (draw_lot() >= std::max(share, least_share_)) member.open_to_offers = false;
  }
  return true;
}

// SplitMix64. Anything regular would meet the turns of an inner policy that goes round.
template <scheduling_policy Policy>
double slow_start<Policy>::draw_lot() noexcept
{
  std::uint64_t value = lots_ += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return static_cast<double>((value ^ (value >> 31)) >> 11) * 0x1p-53;
}

} // namespace cohort
