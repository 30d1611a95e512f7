// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/counter_sum.hpp>

#include <doctest/doctest.h>

namespace counter_sum_test {

using cohort::detail::operator+=;

TEST_CASE("counters add up, each of them")
{
  cohort::connection_counters one;
  one.accepted = 1;
  one.offered = 2;
  one.taken = 3;
  one.refused = 4;
  one.redispatched = 5;
  one.lost = 6;
  one.closed = 7;
  one.overflowed = 8;
  one.unserved = 9;
  cohort::connection_counters sum;
  sum += one;
  sum += one;
  CHECK(sum.accepted == 2);
  CHECK(sum.offered == 4);
  CHECK(sum.taken == 6);
  CHECK(sum.refused == 8);
  CHECK(sum.redispatched == 10);
  CHECK(sum.lost == 12);
  CHECK(sum.closed == 14);
  CHECK(sum.overflowed == 16);
  CHECK(sum.unserved == 18);
  // A counter that is not added up here makes it larger.
  CHECK(sizeof sum == 9 * sizeof sum.accepted);
}

} // namespace counter_sum_test
