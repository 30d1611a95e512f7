// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: on_leave must be callable with a const cohort::candidate&
// expect-lines: 15
//
// A policy around it can be told of everything: it would hide that this one cannot.

#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/slow_start.hpp>

struct listening : cohort::round_robin {
#ifdef MUST_FAIL
  void on_leave(cohort::candidate&) {}
#else
  void on_leave(const cohort::candidate&) {}
#endif
};

int main()
{
  cohort::slow_start<listening> policy;
  return policy.select({}, cohort::connection_info()) == cohort::wait ? 0 : 1;
}
