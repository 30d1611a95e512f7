// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/scheduling/policy.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <vector>

namespace cohort {

/// Each member in its turn, and as often as its weight says: with weights 5, 1 and 1 the turns are
/// a a b a c a a, not a a a a a b c. A member that is not ready misses its turns.
///
/// Source: nginx's smooth weighted round robin.
class weighted {
public:
  std::size_t select(std::span<const candidate> members, const connection_info&) noexcept;

private:
  bool keep_up_with(std::span<const candidate> members) noexcept;

  // How far behind its share each member is.
  std::vector<std::int64_t> due_;
  std::uint64_t last_ = 0;
};

/// The round robin that heeds weights.
using weighted_round_robin = weighted;

// Implementation

inline std::size_t weighted::select(
    std::span<const candidate> members, const connection_info&) noexcept
{
  std::size_t best = wait;
  if (!keep_up_with(members)) {
    for (std::size_t i = 0; i != members.size(); ++i)
      if (members[i].ready() && (best == wait || members[i].weight > members[best].weight))
        best = i;
    return best;
  }
  std::int64_t sum = 0;
  for (std::size_t i = 0; i != members.size(); ++i) {
    if (!members[i].ready()) continue;
    sum += members[i].weight;
    due_[i] += members[i].weight;
    if (best == wait || due_[i] > due_[best]) best = i;
  }
  if (best != wait) due_[best] -= sum;
  return best;
}

// False: there is no memory. Who joins or leaves lets everybody begin anew.
inline bool weighted::keep_up_with(std::span<const candidate> members) noexcept
{
  const std::uint64_t last = members.empty() ? 0 : members.back().joined;
  if (due_.size() == members.size() && last_ == last) return true;
  try {
    due_.assign(members.size(), 0);
  } catch (const std::bad_alloc&) {
    return false;
  }
  last_ = last;
  return true;
}

static_assert(scheduling_policy<weighted>);

} // namespace cohort
