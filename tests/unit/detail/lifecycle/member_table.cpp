// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/member_table.hpp>

#include <doctest/doctest.h>

#include <cstddef>

namespace member_table_test {

using table_type = cohort::detail::member_table<int>;

namespace {

// Members 1, 2, 3 with room for 4 each.
struct three_members {
  three_members()
  {
    for (cohort::worker_id id = 1; id <= 3; ++id) {
      table.add(cohort::candidate(id));
      table.set_window(table.find(id), 4);
    }
  }

  void offer(std::size_t i, int count = 1)
  {
    for (; count != 0; --count) table.add_offer(i, cohort::detail::offer<int>());
  }

  table_type table;
};

} // namespace

TEST_CASE("members are found by their id, in order of joining")
{
  three_members test;
  CHECK(test.table.find(1) == 0);
  CHECK(test.table.find(3) == 2);
  CHECK(test.table.find(4) == test.table.npos);
  CHECK(test.table.candidates().size() == 3);
  CHECK(test.table[0].joined < test.table[1].joined);
  CHECK(test.table.active() == 3);
}

TEST_CASE("the room of all is the sum of what each may still be offered")
{
  three_members test;
  CHECK(test.table.room() == 12);
  test.offer(0, 3);
  CHECK(test.table.room() == 9);
  CHECK(test.table.offered() == 3);
  test.table.withdraw_credit(0);
  CHECK(test.table.room() == 8);
  test.table.erase_offers(0, 0, 3);
  CHECK(test.table.room() == 8);
  CHECK(test.table.offered() == 0);
  test.table.set_window(0, 1);
  CHECK(test.table.room() == 9);
}

TEST_CASE("who has retired or has a full channel has no room, until neither is so")
{
  three_members test;
  test.table.set_channel_open(1, false);
  CHECK(test.table.room() == 8);
  CHECK_FALSE(test.table[1].ready());
  test.table.set_retired(1, true);
  CHECK(test.table.active() == 2);
  test.table.set_channel_open(1, true);
  CHECK(test.table.room() == 8);
  test.table.set_retired(1, false);
  test.table.set_retired(1, false);
  CHECK(test.table.active() == 3);
  CHECK(test.table.room() == 12);
  CHECK(test.table[1].ready());
}

TEST_CASE("a window below what is offered already leaves no room")
{
  three_members test;
  test.offer(2, 4);
  CHECK_FALSE(test.table[2].ready());
  test.table.set_window(2, 2);
  CHECK(test.table.room() == 8);
  test.table.erase_offers(2, 0, 3);
  CHECK(test.table.room() == 9);
}

TEST_CASE("who is erased leaves the others in their order, and takes its room along")
{
  three_members test;
  test.table.erase(1);
  CHECK(test.table.room() == 8);
  CHECK(test.table.active() == 2);
  CHECK(test.table.find(2) == test.table.npos);
  CHECK(test.table.find(3) == 1);
}

TEST_CASE("an answer meant for a former member fits no later one")
{
  three_members test;
  test.offer(0, 2);
  test.table.offers(0).run_sent(test.table.offers(0).run(64, {}).size());
  const auto next = test.table.offers(0).next_sequence();
  test.table.erase_offers(0, 0, 2);
  test.table.erase(0);
  test.table.add(cohort::candidate(1));
  CHECK(test.table.offers(test.table.find(1)).next_sequence() >= next);
}

TEST_CASE("connections are counted one by one")
{
  three_members test;
  test.table.add_connection(0);
  test.table.add_connection(0);
  test.table.end_connection(0);
  CHECK(test.table[0].connections == 1);
}

} // namespace member_table_test
