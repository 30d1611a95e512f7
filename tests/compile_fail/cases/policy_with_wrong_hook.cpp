// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: on_leave must be callable with a const cohort::candidate&
//
// A hook that could never be called would otherwise be ignored.

#include <cohort/scheduling/round_robin.hpp>

struct listening : cohort::round_robin {
#ifdef MUST_FAIL
  void on_leave(cohort::candidate&) {}
#else
  void on_leave(const cohort::candidate&) {}
#endif
};

static_assert(cohort::detail::check_hooks<listening>());
