// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/when_full.hpp>

#include <doctest/doctest.h>

#include "support/policy_walk.hpp"

#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/slow_start.hpp>

#include <string>

namespace when_full_test {

using cohort::overflow;
using cohort::round_robin;
using cohort::when_full;

TEST_CASE("what becomes of connections is said beside who gets them")
{
  CHECK(when_full<round_robin>().on_overflow().how() == overflow::answer::queue);
  CHECK(when_full<round_robin>(overflow::reset()).on_overflow().how() == overflow::answer::reset);
  when_full told(overflow::refuse("busy"), round_robin());
  CHECK(told.on_overflow().bytes() == "busy");
  const auto all = cohort_test::ready_members(2);
  CHECK(told.select(all, cohort::connection_info()) == 0);
  CHECK(told.select(all, cohort::connection_info()) == 1);
}

TEST_CASE("another wrapper around it says the same")
{
  cohort::slow_start outer((when_full<round_robin>(overflow::refuse("busy"))));
  CHECK(outer.on_overflow().bytes() == "busy");
}

TEST_CASE("in random walks it is as good as its inner policy")
{
  cohort_test::check_walks([] { return when_full<cohort::least_connections>(overflow::reset()); });
}

} // namespace when_full_test
