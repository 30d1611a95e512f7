// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/restart_policy.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <stdexcept>

namespace restart_policy_test {

using namespace std::chrono_literals;
using cohort::exit_meaning;
using cohort::restart_policy;

TEST_CASE("a restart policy says what it was told, and else its defaults")
{
  const restart_policy usual;
  CHECK(usual.kind() == cohort::restart::permanent);
  CHECK(usual.intensity() == 5);
  CHECK(usual.window() == 60s);
  CHECK(usual.meaning(0) == exit_meaning::usual);
  restart_policy own = restart_policy().kind(cohort::restart::transient).intensity(0, 1s);
  own.backoff(2s, 2s).jitter(1).reset_after(3s).boot_deadline(4s).boot_failures(1).pause(5s);
  own.exit_code(125, exit_meaning::permanent_failure).exit_code(0, exit_meaning::retire);
  CHECK(own.kind() == cohort::restart::transient);
  CHECK(own.intensity() == 0);
  CHECK(own.window() == 1s);
  CHECK(own.first_pause() == 2s);
  CHECK(own.longest_pause() == 2s);
  CHECK(own.jitter() == 1);
  CHECK(own.reset_after() == 3s);
  CHECK(own.boot_deadline() == 4s);
  CHECK(own.boot_failures() == 1);
  CHECK(own.pause() == 5s);
  CHECK(own.meaning(125) == exit_meaning::permanent_failure);
  CHECK(own.meaning(0) == exit_meaning::retire);
  CHECK(own.meaning(1) == exit_meaning::usual);
}

TEST_CASE("values that make no sense are refused, and change nothing")
{
  restart_policy policy;
  CHECK_THROWS_AS(policy.intensity(1, 0s), std::invalid_argument);
  CHECK_THROWS_AS(policy.backoff(0s, 1s), std::invalid_argument);
  CHECK_THROWS_AS(policy.backoff(2s, 1s), std::invalid_argument);
  CHECK_THROWS_AS(policy.jitter(1.1), std::invalid_argument);
  CHECK_THROWS_AS(policy.jitter(-0.1), std::invalid_argument);
  CHECK_THROWS_AS(policy.jitter(std::numeric_limits<double>::quiet_NaN()), std::invalid_argument);
  CHECK_THROWS_AS(policy.boot_failures(0), std::invalid_argument);
  CHECK_THROWS_AS(policy.pause(0s), std::invalid_argument);
  CHECK_THROWS_AS(policy.exit_code(256, exit_meaning::retire), std::invalid_argument);
  CHECK_THROWS_AS(policy.exit_code(-1, exit_meaning::retire), std::invalid_argument);
  CHECK(policy.intensity() == 5);
  CHECK(policy.jitter() == 0.25);
}

} // namespace restart_policy_test
