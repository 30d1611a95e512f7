// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/time_factor.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <string>

namespace cohort_test {

/// Calls `run(seed)` for so many seeds, or fewer where time is short; COHORT_TEST_SEED chooses one
/// of all there are. What fails names it.
template <class Run>
void for_each_seed(unsigned usual, Run run)
{
  const char* const chosen = std::getenv("COHORT_TEST_SEED");
  const unsigned runs = chosen ? 1 : std::max(1U, usual / time_factor());
  for (unsigned each = 0; each != runs; ++each) {
    const unsigned seed = chosen ? static_cast<unsigned>(std::stoul(chosen)) : each;
    CAPTURE(seed);
    run(seed);
  }
}

} // namespace cohort_test
