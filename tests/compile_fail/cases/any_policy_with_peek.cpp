// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: any_policy cannot hold one with peek
// expect-lines: 15
//
// How much is looked at is known when a program is compiled.

#include <cohort/scheduling/any_policy.hpp>

struct peeking : cohort::round_robin {
#ifdef MUST_FAIL
  static constexpr std::size_t peek = 16;
#endif
};

int main()
{
  cohort::any_policy policy((peeking()));
  return policy.own_sockets() ? 1 : 0;
}
