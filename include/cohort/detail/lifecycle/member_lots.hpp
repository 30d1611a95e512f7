// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace cohort::detail {

/// Draws members by chance.
class member_lots {
public:
  explicit member_lots(std::uint32_t seed) : engine_(seed) {}

  /// The index of a member that is ready, each with the same chance; `wait` without any.
  std::size_t draw(std::span<const candidate> members) noexcept;

private:
  // As often it is tried before all members are looked at.
  static constexpr int tries_ = 8;

  std::size_t below(std::size_t count) noexcept
  {
    constexpr std::uint64_t values = std::minstd_rand::max() - std::minstd_rand::min() + 1;
    return static_cast<std::size_t>((engine_() - std::minstd_rand::min()) * count / values);
  }

  // Small, and good enough to spread connections.
  std::minstd_rand engine_;
};

// Implementation

inline std::size_t member_lots::draw(std::span<const candidate> members) noexcept
{
  if (members.empty()) return wait;
  for (int i = 0; i != tries_; ++i)
    if (const std::size_t found = below(members.size()); members[found].ready()) return found;
  std::size_t ready = 0;
  for (const candidate& member : members) ready += member.ready() ? 1U : 0U;
  if (ready == 0) return wait;
  std::size_t skip = below(ready);
  for (std::size_t i = 0;; ++i)
    if (members[i].ready() && skip-- == 0) return i;
}

} // namespace cohort::detail
