// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/drain_ladder.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <vector>

namespace drain_ladder_test {

using namespace std::chrono_literals;
using cohort::drain_steps;
using cohort::detail::drain_rung;

namespace {

using clock_type = std::chrono::steady_clock;
using ladder = cohort::detail::drain_ladder<clock_type>;

constexpr clock_type::time_point start = clock_type::time_point() + 1h;

} // namespace

TEST_CASE("nothing is due before the drain begins")
{
  ladder one{drain_steps()};
  CHECK(one.rung() == drain_rung::serving);
  CHECK_FALSE(one.next());
  CHECK_FALSE(one.climb(start + 100h));
  CHECK(one.rung() == drain_rung::serving);
}

TEST_CASE("a drain climbs from step to step, each at its time from the begin")
{
  ladder one(drain_steps().total(3s).terminal(5s).deadline(6s));
  one.begin(start);
  CHECK(one.rung() == drain_rung::closing);
  struct expected {
    clock_type::duration when;
    drain_rung rung;
  };
  for (const expected& each : {expected{3s, drain_rung::total}, expected{5s, drain_rung::terminal},
           expected{6s, drain_rung::closed}}) {
    CHECK(one.next() == start + each.when);
    CHECK_FALSE(one.climb(start + each.when - 1ns));
    CHECK(one.climb(start + each.when));
    CHECK(one.rung() == each.rung);
    CHECK_FALSE((each.rung != drain_rung::closed && one.climb(start + each.when)));
  }
  CHECK_FALSE(one.next());
  CHECK_FALSE(one.climb(start + 1h));
}

TEST_CASE("a second begin changes nothing")
{
  ladder one(drain_steps().deadline(10s));
  one.begin(start);
  one.begin(start + 5s);
  CHECK(one.next() == start + 8s);
  CHECK(one.climb(start + 8s));
  one.begin(start + 9s);
  CHECK(one.rung() == drain_rung::total);
}

TEST_CASE("whoever comes late climbs one rung at a time all the same")
{
  ladder one{drain_steps()};
  one.begin(start);
  std::vector<drain_rung> seen;
  while (one.climb(start + 1h)) seen.push_back(one.rung());
  CHECK(seen == std::vector{drain_rung::total, drain_rung::terminal, drain_rung::closed});
}

TEST_CASE("steps at the same time are still all taken")
{
  ladder one(drain_steps().deadline(0s));
  one.begin(start);
  int climbed = 0;
  while (one.climb(start)) ++climbed;
  CHECK(climbed == 3);
}

TEST_CASE("the idle may wait for a grace from the begin of the drain, or of their wait if later")
{
  ladder one(drain_steps().idle_grace(1s).fresh_grace(2s));
  one.begin(start);
  CHECK(one.idle_until(clock_type::time_point(), false) == start + 1s);
  CHECK(one.idle_until(start - 1h, true) == start + 2s);
  CHECK(one.idle_until(start + 5s, false) == start + 6s);
  CHECK(one.idle_until(start + 5s, true) == start + 7s);
}

TEST_CASE("a ladder that is taken away has no more rungs")
{
  for (const bool begun : {false, true}) {
    ladder one{drain_steps()};
    if (begun) one.begin(start);
    one.end();
    CHECK(one.rung() == drain_rung::closed);
    CHECK_FALSE(one.next());
    CHECK_FALSE(one.climb(start + 1h));
    one.begin(start);
    CHECK(one.rung() == drain_rung::closed);
  }
}

} // namespace drain_ladder_test
