// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/group_roster.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <vector>

namespace group_roster_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using cohort::worker_id;
using kind = group_action::kind;

namespace {

const group_time now(1h);

// Two places, with worker 1 in the first.
group_roster one_of_two()
{
  group_roster roster;
  roster.resize(2);
  roster.start(roster.places()[0], roster.places()[0].current, 5);
  const auto order = roster.next();
  REQUIRE(order);
  CHECK((order->what == kind::start && order->place == 0 && order->generation == 5));
  roster.started(order->place, 1, now);
  return roster;
}

} // namespace

TEST_CASE("a worker is found in its place from its start on")
{
  group_roster roster = one_of_two();
  const auto [place, member] = roster.find(1);
  REQUIRE(place == &roster.places()[0]);
  CHECK(member == &place->current);
  CHECK(member->since == now);
  CHECK(roster.find(2).second == nullptr);
  CHECK(roster.find(0).second == nullptr);
  CHECK_FALSE(roster.next());
}

TEST_CASE("one that runs already gets a place of its own")
{
  group_roster roster = one_of_two();
  roster.adopt(9, 5, true, now);
  REQUIRE(roster.places().size() == 3);
  const auto [place, member] = roster.find(9);
  REQUIRE(place == &roster.places()[2]);
  CHECK((member->ready && member->since == now && member->generation == 5));
  CHECK_FALSE(roster.next());
}

TEST_CASE("a successor is started beside the one in its place")
{
  group_roster roster = one_of_two();
  roster.start(roster.places()[0], roster.places()[0].next, 6);
  CHECK(&roster.asked(roster.places()[0]) == &roster.places()[0].next);
  roster.started(roster.next()->place, 2, now);
  CHECK(roster.find(2).second == &roster.places()[0].next);
  CHECK(roster.generations() == 2);
}

TEST_CASE("who is late is killed once, who is ready is not")
{
  group_roster roster = one_of_two();
  roster.adopt(9, 5, true, now);
  roster.kill_late(now + 9s, 10s);
  CHECK_FALSE(roster.next());
  roster.kill_late(now + 10s, 10s);
  roster.kill_late(now + 11s, 10s);
  const auto order = roster.next();
  REQUIRE(order);
  CHECK((order->what == kind::kill && order->worker == 1));
  CHECK_FALSE(roster.next());
}

TEST_CASE("who leaves is in no place, and remembered until it has left")
{
  group_roster roster = one_of_two();
  roster.leave(roster.places()[0], roster.places()[0].current);
  CHECK(roster.find(1).second == nullptr);
  CHECK(roster.leaving().at(1) == 5);
  CHECK(roster.generations() == 1);
  const auto order = roster.next();
  REQUIRE(order);
  CHECK((order->what == kind::drain && order->worker == 1));
  CHECK_FALSE(roster.left(2));
  CHECK(roster.left(1));
  CHECK_FALSE(roster.left(1));
  CHECK(roster.generations() == 0);
}

TEST_CASE("a start that is not made yet is called off, others are not")
{
  group_roster roster = one_of_two();
  roster.start(roster.places()[0], roster.places()[0].next, 6);
  roster.start(roster.places()[1], roster.places()[1].current, 6);
  roster.leave(roster.places()[0], roster.places()[0].next);
  CHECK_FALSE(roster.places()[0].next.present);
  const auto order = roster.next();
  REQUIRE(order);
  CHECK(order->place == 1);
  CHECK_FALSE(roster.next());
}

TEST_CASE("with fewer places those in the last ones leave")
{
  group_roster roster = one_of_two();
  roster.start(roster.places()[1], roster.places()[1].current, 5);
  roster.started(roster.next()->place, 2, now);
  roster.resize(1);
  CHECK(roster.next()->worker == 2);
  roster.resize(0);
  CHECK(roster.next()->worker == 1);
  CHECK(roster.leaving().size() == 2);
}

TEST_CASE("with fewer places who is of less use leaves first, and the others keep their order")
{
  // Who they are, as the test says; nobody in place 6.
  group_roster roster;
  for (worker_id worker = 1; worker <= 6; ++worker) roster.adopt(worker, 5, true, now);
  auto& places = roster.places();
  places[0].current.burden.connections = 1;
  places[1].current.burden.stalled = true;
  places[1].current.burden.connections = 9;
  places[2].current.ready = false;
  places[3].current.retiring = true;
  places[4].current.since += 1s;
  roster.resize(7);
  const std::vector<worker_id> leaves{0, 3, 2, 4, 5, 6, 1};
  for (std::size_t left = 6; left != static_cast<std::size_t>(-1); --left) {
    CAPTURE(left);
    roster.resize(left);
    const auto said = roster.next();
    if (left == 6) CHECK_FALSE(said);
    else {
      REQUIRE(said);
      CHECK((said->what == kind::drain && said->worker == leaves[6 - left]));
    }
    worker_id before = 0;
    for (const group_place& each : roster.places()) {
      CHECK(each.current.id > before);
      before = each.current.id;
    }
  }
}

TEST_CASE("several places that are given up at once are the same as one by one")
{
  for (std::size_t left = 0; left != 6; ++left) {
    group_roster at_once, one_by_one;
    for (group_roster* each : {&at_once, &one_by_one}) {
      for (worker_id worker = 1; worker <= 5; ++worker) each->adopt(worker, 5, true, now);
      for (worker_id worker = 1; worker <= 5; ++worker)
        each->places()[worker - 1].current.burden.connections = worker * 7 % 5;
    }
    at_once.resize(left);
    for (std::size_t each = 5; each != left; --each) one_by_one.resize(each - 1);
    CHECK(at_once.leaving() == one_by_one.leaving());
    REQUIRE(at_once.places().size() == left);
    for (std::size_t i = 0; i != left; ++i)
      CHECK(at_once.places()[i].current.id == one_by_one.places()[i].current.id);
  }
}

TEST_CASE("a start that is not made yet is made in the place that its own has become")
{
  group_roster roster;
  for (worker_id worker = 1; worker <= 3; ++worker) roster.adopt(worker, 5, true, now);
  roster.places()[2].current.burden.connections = 1;
  roster.places()[1].current.burden.connections = 1;
  roster.start(roster.places()[0], roster.places()[0].next, 6);
  roster.start(roster.places()[2], roster.places()[2].next, 6);
  roster.resize(2);
  const auto start = roster.next();
  REQUIRE(start);
  CHECK((start->what == kind::start && start->place == 1));
  roster.started(start->place, 9, now);
  CHECK(roster.places()[1].current.id == 3);
  CHECK(roster.places()[1].next.id == 9);
  const auto drain = roster.next();
  REQUIRE(drain);
  CHECK((drain->what == kind::drain && drain->worker == 1));
  CHECK_FALSE(roster.next());
}

TEST_CASE("those count who are ready and in a place, wherever in it")
{
  group_roster roster = one_of_two();
  CHECK(roster.ready() == 0);
  roster.adopt(9, 5, true, now);
  CHECK(roster.ready() == 1);
  roster.find(1).second->ready = true;
  group_place& first = roster.places()[0];
  roster.start(first, first.next, 6);
  CHECK(roster.ready() == 2);
  roster.started(0, 2, now);
  CHECK(roster.ready() == 2);
  roster.find(2).second->ready = true;
  CHECK(roster.ready() == 3);
  roster.leave(first, first.current);
  CHECK(roster.ready() == 2);
}

TEST_CASE("those who are on their way count as what they are")
{
  group_roster roster = one_of_two();
  rollout reload;
  under_way all = roster.count_under_way(reload, now);
  CHECK((all.booting == 1 && all.on_trial == 0 && all.taking_over == 0));
  roster.find(1).second->ready = true;
  reload.begin(6, cohort::reload_options().probation(5s), 2);
  group_place& first = roster.places()[0];
  roster.start(first, first.next, 6);
  all = roster.count_under_way(reload, now);
  CHECK((all.booting == 1 && all.on_trial == 1 && all.taking_over == 1));
  roster.started(0, 2, now);
  roster.find(2).second->ready = true;
  all = roster.count_under_way(reload, now);
  CHECK((all.booting == 0 && all.on_trial == 1 && all.taking_over == 1));
  all = roster.count_under_way(reload, now + 5s);
  CHECK((all.booting == 0 && all.on_trial == 0 && all.taking_over == 1));
}

} // namespace group_roster_test
