// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// For a minute all processors are busy, and no healthy worker is taken for one that hangs.

#include "support/loaded_heartbeat.hpp"

#include <chrono>
#include <doctest/doctest.h>

namespace heartbeat_soak {

using namespace std::chrono_literals;

TEST_CASE("nobody who is healthy is taken for one that hangs, in a minute of busy processors")
{
  // The ratio is the usual one.
  const unsigned stalls =
      cohort_test::expect_no_false_kill(100ms * cohort_test::time_factor(), 30, 60s);
  MESSAGE("silent for an interval and a half: ", stalls, " times");
}

} // namespace heartbeat_soak
