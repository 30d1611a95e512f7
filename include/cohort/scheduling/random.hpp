// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/detail/lifecycle/member_lots.hpp>
#include <cohort/scheduling/policy.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace cohort {

/// Any member that is ready, each with the same chance.
class random {
public:
  random() : random(std::random_device()()) {}
  /// With the same seed it chooses the same ones.
  explicit random(std::uint32_t seed) noexcept : lots_(seed) {}

  std::size_t select(std::span<const candidate> members, const connection_info&) noexcept
  {
    return lots_.draw(members);
  }

private:
  detail::member_lots lots_;
};

static_assert(scheduling_policy<random>);

} // namespace cohort
