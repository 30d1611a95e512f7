// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the policy's peek must be a static constexpr std::size_t
// expect-lines: 15
//
// Room for the first bytes is there before a policy is.

#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/slow_start.hpp>

#include <cstddef>

struct looks : cohort::round_robin {
#ifdef MUST_FAIL
  std::size_t peek = 16;
#else
  static constexpr std::size_t peek = 16;
#endif
};

int main()
{
  cohort::slow_start<looks> policy;
  return policy.select({}, cohort::connection_info()) == cohort::wait ? 0 : 1;
}
