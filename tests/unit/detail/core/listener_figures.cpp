// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/listener_figures.hpp>

#include "support/said_connections.hpp"

#include <doctest/doctest.h>

namespace listener_figures_test {

using namespace cohort::detail;
using cohort_test::member_with;
using cohort_test::said_connections;
using cohort_test::said_listener;

TEST_CASE("what a worker has is summed up over all listeners")
{
  said_connections all;
  all.add("/a").members = {member_with(1, 3, 1), member_with(2, 5, 0)};
  all.add("/b").members = {member_with(2, 7, 2)};
  auto figures = figures_of_workers(all);
  CHECK((figures.size() == 2 && figures[1].connections == 3 && figures[1].offers == 1));
  CHECK((figures[2].connections == 12 && figures[2].offers == 2));
  auto live = live_connections(all);
  CHECK((live.size() == 2 && live[1] == 4 && live[2] == 14));
}

TEST_CASE("listeners at one address are one, and what was counted there before is theirs")
{
  said_connections all;
  said_listener& closed = all.add("/a");
  closed.counted.accepted = 10;
  closed.members = {member_with(1, 3, 0)};
  closed.members[0].leaving = true;
  all.add("/b").counted.accepted = 1;
  said_listener& open = all.add("/a");
  open.counted.accepted = 100;
  open.queue = 2;
  open.members = {member_with(2, 4, 1)};
  cohort::connection_counters earlier;
  earlier.accepted = 1000;
  all.past.add("/a", earlier);
  all.past.add("/gone", earlier);
  const auto listeners = measure_listeners(all);
  REQUIRE(listeners.size() == 2);
  CHECK((listeners[0].address == "/a" && listeners[0].counters.accepted == 1110));
  CHECK((listeners[0].workers == 1 && listeners[0].queue == 2 && listeners[0].offers == 1));
  CHECK(listeners[0].connections == 7);
  CHECK((listeners[1].address == "/b" && listeners[1].counters.accepted == 1));
  const auto totals = count_listeners(all);
  REQUIRE(totals.size() == 3);
  CHECK((totals[0].address == "/a" && totals[0].counters.accepted == 1110));
  CHECK((totals[1].address == "/gone" && totals[1].counters.accepted == 1000));
  CHECK((totals[2].address == "/b" && totals[2].counters.accepted == 1));
}

} // namespace listener_figures_test
