// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/counters.hpp>

#include <doctest/doctest.h>

namespace counters_test {

TEST_CASE("counters begin at zero")
{
  const cohort::connection_counters counters;
  CHECK(counters.accepted == 0);
  CHECK(counters.offered == 0);
  CHECK(counters.taken == 0);
  CHECK(counters.refused == 0);
  CHECK(counters.redispatched == 0);
  CHECK(counters.lost == 0);
  CHECK(counters.closed == 0);
  CHECK(counters.overflowed == 0);
  CHECK(counters.unserved == 0);
}

} // namespace counters_test
