// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/detail/lifecycle/member_lots.hpp>
#include <cohort/scheduling/measure.hpp>
#include <cohort/scheduling/policy.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace cohort {

/// Of two members drawn by chance, the one with the lower measure: nearly as even as a look at all
/// of them, in constant time, and without everybody's going to the one that seems idle when what is
/// known of them is old.
///
/// Source: the power of two choices; nginx's `random two`.
template <load_measure Measure>
class better_of_two {
public:
  better_of_two() : better_of_two(std::random_device()()) {}
  /// With the same seed it draws the same ones.
  explicit better_of_two(std::uint32_t seed, Measure measure = Measure())
      : lots_(seed),
        measure_(measure)
  {
  }

  std::size_t select(std::span<const candidate> members, const connection_info&) noexcept;

private:
  // As often another one is drawn when it is the same again.
  static constexpr int tries_ = 4;

  detail::member_lots lots_;
  Measure measure_;
};

/// By open connections in proportion to the weight.
using power_of_two = better_of_two<open_connections>;

// Implementation

template <load_measure Measure>
std::size_t better_of_two<Measure>::select(
    std::span<const candidate> members, const connection_info&) noexcept
{
  const std::size_t first = lots_.draw(members);
  if (first == wait) return wait;
  std::size_t second = first;
  for (int i = 0; i != tries_ && second == first; ++i) second = lots_.draw(members);
  return measure_(members[second]) < measure_(members[first]) ? second : first;
}

static_assert(scheduling_policy<power_of_two>);

} // namespace cohort
