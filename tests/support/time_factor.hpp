// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>

namespace cohort_test {

/// How much longer than usual bounded waits may take (sanitizers, valgrind, busy machines):
/// COHORT_TEST_TIME_FACTOR, at least 1. Multiply deadlines by it, never expected values.
inline unsigned time_factor()
{
  const char* text = std::getenv("COHORT_TEST_TIME_FACTOR");
  const long factor = text ? std::strtol(text, nullptr, 10) : 1;
  return factor < 1 ? 1u : static_cast<unsigned>(factor);
}

} // namespace cohort_test
