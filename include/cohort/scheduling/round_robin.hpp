// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/scheduling/policy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cohort {

/// Each member in its turn, in the order in which they joined; those that are not ready are passed
/// over. Who joins comes last, who leaves changes nobody else's turn.
///
/// Source: Node's `cluster.SCHED_RR` on an idle cluster.
class round_robin {
public:
  std::size_t select(std::span<const candidate> members, const connection_info&) noexcept;

private:
  std::size_t turn(std::span<const candidate> members) const noexcept;

  // Behind the member chosen last, where it was then, and that member's place in the order of
  // joining: the index alone goes wrong when somebody before it leaves. They differ in size for g++
  // to store them one by one: stored as one vector, each choice waits for the last one's to arrive.
  std::uint32_t next_ = 0;
  std::uint64_t last_ = 0;
};

// Implementation

inline std::size_t round_robin::select(
    std::span<const candidate> members, const connection_info&) noexcept
{
  const std::size_t first = turn(members);
  for (std::size_t n = 0, i = first; n != members.size(); ++n, ++i) {
    if (i >= members.size()) i = 0;
    if (members[i].ready()) {
      next_ = static_cast<std::uint32_t>(i + 1);
      last_ = members[i].joined;
      return i;
    }
  }
  return wait;
}

inline std::size_t round_robin::turn(std::span<const candidate> members) const noexcept
{
  if (next_ == 0 || (next_ <= members.size() && members[next_ - 1].joined == last_)) return next_;
  const auto behind = std::upper_bound(members.begin(), members.end(), last_,
      [](std::uint64_t last, const candidate& member) { return last < member.joined; });
  return static_cast<std::size_t>(behind - members.begin());
}

static_assert(scheduling_policy<round_robin>);

} // namespace cohort
