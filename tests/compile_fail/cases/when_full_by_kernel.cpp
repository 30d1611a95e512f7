// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: constraint(s not satisfied| failure) for .*when_full
// expect-lines: 15
//
// Workers that accept themselves leave nobody for the primary to answer.

#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/scheduling/when_full.hpp>

#ifdef MUST_FAIL
constexpr auto size = sizeof(cohort::when_full<cohort::shared>);
#else
constexpr auto size = sizeof(cohort::when_full<cohort::round_robin>);
#endif

int main() { return size == 0; }
