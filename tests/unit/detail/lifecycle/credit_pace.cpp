// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/credit_pace.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace credit_pace_test {

using namespace std::chrono_literals;
using cohort::detail::credit_pace;

TEST_CASE("it begins in the middle, and stays there while nothing is wrong")
{
  credit_pace pace;
  CHECK(pace.window() == 16);
  for (int i = 0; i != 100; ++i) pace.taken(1, 100us);
  CHECK(pace.window() == 16);
  for (int i = 0; i != 100; ++i) pace.taken(1, 4ms);
  CHECK(pace.window() == 16);
}

TEST_CASE("an offer that waits for long halves it at once, down to one")
{
  credit_pace pace;
  for (const std::uint32_t left : {8U, 4U, 2U, 1U, 1U}) {
    pace.taken(1, 6ms);
    CHECK(pace.window() == left);
  }
}

TEST_CASE("it grows by one in a round in which connections waited and offers did not")
{
  credit_pace pace;
  pace.starved();
  pace.taken(15, 100us);
  CHECK(pace.window() == 16);
  pace.taken(1, 100us);
  CHECK(pace.window() == 17);
  // Each round has to be a reason of its own.
  pace.taken(17, 100us);
  CHECK(pace.window() == 17);
  for (int round = 0; round != 1000; ++round) {
    pace.starved();
    pace.taken(128, 0us);
  }
  CHECK(pace.window() == 128);
}

TEST_CASE("a worker that is busy gets no more, though connections wait")
{
  credit_pace pace;
  pace.starved();
  pace.taken(1, 2ms);
  pace.taken(15, 100us);
  CHECK(pace.window() == 16);
}

} // namespace credit_pace_test
