// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/scheduling/from_environment.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>

namespace from_environment_test {

using cohort::distribution;
using cohort::policy_from_environment;

TEST_CASE("the environment decides between round robin and the kernel")
{
  ::unsetenv("COHORT_SCHEDULING_POLICY");
  CHECK(policy_from_environment().distribution() == distribution::by_primary);
  ::setenv("COHORT_SCHEDULING_POLICY", "rr", 1);
  CHECK(policy_from_environment().distribution() == distribution::by_primary);
  ::setenv("COHORT_SCHEDULING_POLICY", "none", 1);
  const policy_from_environment by_kernel;
  ::setenv("COHORT_SCHEDULING_POLICY", "rr", 1);
  CHECK(by_kernel.distribution() == distribution::by_kernel);
  for (const char* const wrong : {"", "RR", "shared"}) {
    ::setenv("COHORT_SCHEDULING_POLICY", wrong, 1);
    CHECK_THROWS_AS(policy_from_environment(), std::invalid_argument);
  }
  ::unsetenv("COHORT_SCHEDULING_POLICY");
}

} // namespace from_environment_test
