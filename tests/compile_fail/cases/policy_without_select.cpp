// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: constraint.* failure|constraints not satisfied
//
// A policy has to choose.

#include <cohort/scheduling/policy.hpp>

#include <cstddef>
#include <span>

struct chooses {
#ifdef MUST_FAIL
  std::size_t choose(std::span<const cohort::candidate> members, const cohort::connection_info&)
#else
  std::size_t select(std::span<const cohort::candidate> members, const cohort::connection_info&)
#endif
  {
    return members.empty() ? cohort::wait : 0;
  }
};

template <cohort::scheduling_policy Policy>
struct scheduled {};

scheduled<chooses> made;
