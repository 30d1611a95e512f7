// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: constraint.* failure|constraints not satisfied
//
// What `select` returns is an index: of type int it could be -1 for nobody, which is not `wait`.

#include <cohort/scheduling/policy.hpp>

#include <cstddef>
#include <span>

struct chooses {
#ifdef MUST_FAIL
  int select(std::span<const cohort::candidate>, const cohort::connection_info&) { return -1; }
#else
  std::size_t select(std::span<const cohort::candidate>, const cohort::connection_info&)
  {
    return cohort::wait;
  }
#endif
};

template <cohort::scheduling_policy Policy>
struct scheduled {};

scheduled<chooses> made;
