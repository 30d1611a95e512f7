// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/accept_turns.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace accept_turns_test {

using cohort::worker_id;
using cohort::detail::accept_turns;
using lines = std::vector<std::string>;

namespace {

// Workers that are told, and what they have accepted.
struct team {
  explicit team(worker_id workers)
  {
    for (worker_id each = 1; each <= workers; ++each) join(each);
  }

  void join(worker_id worker)
  {
    turns.join(worker);
    members[worker] = member();
    accepts(worker, true);
  }
  void leave(worker_id worker)
  {
    turns.leave(worker);
    members.erase(worker);
    tell();
  }
  void accepts(worker_id worker, bool value)
  {
    turns.set_accepting(worker, value);
    members[worker].accepting = value;
    tell();
  }
  void accept(worker_id worker, std::uint32_t count = 1, std::uint32_t left = 0)
  {
    turns.accepted(worker, count, left);
    members[worker].taken += count;
    tell();
  }
  // It accepts until it is told to wait.
  std::uint32_t accept_all(worker_id worker)
  {
    for (std::uint32_t count = 0; count != 100000; ++count) {
      if (!may_go(worker)) return count;
      accept(worker);
    }
    return 0;
  }
  // Others were waited for, and did not come.
  void leave_to(worker_id worker, int times)
  {
    for (; times != 0; --times) {
      REQUIRE_FALSE(may_go(worker));
      accept(worker, 1, 1);
    }
  }

  bool may_go(worker_id worker) { return members[worker].go; }
  std::vector<worker_id> who_may_go() const
  {
    std::vector<worker_id> found;
    for (const auto& [id, each] : members)
      if (each.accepting && each.go) found.push_back(id);
    return found;
  }
  std::uint32_t spread() const
  {
    std::uint32_t least = ~0U, most = 0;
    for (const auto& [id, each] : members) {
      least = std::min(least, each.taken);
      most = std::max(most, each.taken);
    }
    return most - least;
  }
  lines take() { return std::exchange(told, {}); }

  void tell()
  {
    turns.tell([this](worker_id worker, bool go) {
      if (unreachable == worker) return false;
      REQUIRE(members.contains(worker));
      // News only.
      CHECK(members[worker].go != go);
      members[worker].go = go;
      told.push_back(std::to_string(worker) + (go ? " goes" : " waits"));
      return true;
    });
  }

  struct member {
    std::uint32_t taken = 0;
    bool accepting = false;
    bool go = true;
  };

  accept_turns turns;
  std::map<worker_id, member> members;
  lines told;
  worker_id unreachable = 0;
};

} // namespace

TEST_CASE("who is ahead of another one waits until that one has come near")
{
  team two(2);
  CHECK(two.accept_all(1) == 8);
  CHECK(two.take() == lines{"1 waits"});
  for (int i = 0; i != 3; ++i) two.accept(2);
  CHECK(two.take().empty());
  two.accept(2);
  CHECK(two.take() == lines{"1 goes"});
  // From there on it is the other one's turn to be ahead.
  CHECK(two.accept_all(2) == 12);
}

TEST_CASE("nobody hears anything while all keep up, or while there is one only")
{
  team four(4);
  for (int i = 0; i != 1000; ++i)
    for (worker_id each = 1; each <= 4; ++each) four.accept(each);
  CHECK(four.take().empty());
  team one(1);
  for (int i = 0; i != 1000; ++i) one.accept(1);
  CHECK(one.take().empty());
}

TEST_CASE("what comes in groups counts as much")
{
  team two(2);
  two.accept(1, 7);
  CHECK(two.take().empty());
  two.accept(1, 100);
  CHECK(two.take() == lines{"1 waits"});
  two.accept(2, 102);
  CHECK(two.take().empty());
  two.accept(2, 1);
  CHECK(two.take() == lines{"1 goes"});
}

TEST_CASE("nobody waits for one that does not accept")
{
  team three(3);
  three.accepts(3, false);
  for (int i = 0; i != 100; ++i) {
    three.accept(1);
    three.accept(2);
  }
  CHECK(three.take().empty());
  three.accept_all(1);
  CHECK(three.take() == lines{"1 waits"});
  // The last one it waits for.
  three.accepts(2, false);
  CHECK(three.take() == lines{"1 goes"});
}

TEST_CASE("one that had no room for a while is where it was, and what it missed is past")
{
  team three(3);
  three.accept_all(1);
  three.accept_all(2);
  CHECK(three.take() == lines{"1 waits", "2 waits"});
  three.accepts(3, false);
  CHECK(three.take() == lines{"1 goes", "2 goes"});
  for (int i = 0; i != 1000; ++i) {
    three.accept(1);
    three.accept(2);
  }
  CHECK(three.take().empty());
  three.accepts(3, true);
  // Eight behind, as before.
  CHECK(three.take() == lines{"1 waits", "2 waits"});
  for (int i = 0; i != 4; ++i) three.accept(3);
  CHECK(three.take() == lines{"1 goes", "2 goes"});
}

TEST_CASE("what is told late of one that has no room counts")
{
  team two(2);
  two.accepts(2, false);
  two.accept(2, 20);
  two.accepts(2, true);
  CHECK(two.take() == lines{"2 waits"});
}

TEST_CASE("who joins counts as if it had kept up")
{
  team two(2);
  for (int i = 0; i != 500; ++i) {
    two.accept(1);
    two.accept(2);
  }
  two.join(3);
  CHECK(two.take().empty());
  CHECK(two.accept_all(3) == 8);
}

TEST_CASE("who leaves is waited for no more, and nobody is asked about strangers")
{
  team two(2);
  two.accept_all(1);
  two.take();
  two.leave(2);
  CHECK(two.take() == lines{"1 goes"});
  two.turns.accepted(9, 100, 0);
  two.turns.set_accepting(9, true);
  two.turns.leave(9);
  two.tell();
  CHECK(two.take().empty());
}

TEST_CASE("one that joins again begins anew, and may go")
{
  team two(2);
  two.accept_all(1);
  two.take();
  two.join(1);
  CHECK(two.take().empty());
  // Where the other one is.
  CHECK(two.accept_all(1) == 8);
}

TEST_CASE("one that does not come is waited for sixteen times, and then not for a while")
{
  team three(3);
  three.accept_all(1);
  three.accept_all(2);
  three.take();
  three.leave_to(1, 8);
  three.leave_to(2, 7);
  CHECK(three.take().empty());
  three.accept(2, 1, 1);
  CHECK(three.take() == lines{"1 goes", "2 goes"});
  // Meanwhile the others are even among themselves.
  CHECK(three.accept_all(1) == 8);
  CHECK(three.take() == lines{"1 waits"});
  for (int i = 0; i != 4; ++i) three.accept(2);
  CHECK(three.take() == lines{"1 goes"});
  // Sixteen of each later it is waited for again.
  for (int i = 0; i != 4; ++i) three.accept(2);
  for (int i = 0; i != 7; ++i) {
    three.accept(1);
    three.accept(2);
  }
  three.accept(1);
  CHECK(three.take().empty());
  three.accept(2);
  CHECK(three.take() == lines{"1 waits", "2 waits"});
}

TEST_CASE("the more often one does not come, the longer nobody waits for it")
{
  team two(2);
  two.accept_all(1);
  for (const std::uint32_t while_it_is_missed : {16U, 32U, 64U, 128U, 256U, 512U, 1024U, 1024U}) {
    two.leave_to(1, 16);
    CHECK(two.accept_all(1) == while_it_is_missed);
  }
  // Now it comes, and is one like the others again.
  while (!two.may_go(1)) two.accept(2);
  CHECK(two.accept_all(1) == 4);
  two.leave_to(1, 16);
  CHECK(two.accept_all(1) == 16);
}

TEST_CASE("one that does not come for a moment gets what it has missed")
{
  team two(2);
  two.accept_all(1);
  two.accept(1, 15, 15); // it comes late, but before it is missed
  while (!two.may_go(1)) two.accept(2);
  CHECK(two.spread() == 4);
}

TEST_CASE("one that does not come for long makes up for 64 when it does")
{
  team two(2);
  two.accept_all(1);
  for (int i = 0; i != 6; ++i) {
    two.leave_to(1, 16);
    two.accept_all(1);
  }
  std::uint32_t got = 0;
  for (; !two.may_go(1); ++got) two.accept(2);
  CHECK(got == 60);
  // So much it had in all that time, for sixty-four it is even.
  CHECK(two.members[2].taken == 60);
}

TEST_CASE("who joins, or comes back, while another one makes up for a debt has none itself")
{
  team three(3);
  three.accepts(3, false);
  three.accept_all(1);
  three.leave_to(1, 16);
  CHECK(three.accept_all(1) == 16);
  // The second one may accept sixty and more before the first.
  three.take();
  three.accepts(3, true);
  three.join(4);
  CHECK(three.take() == lines{"3 waits", "4 waits"});
}

TEST_CASE("who may go is not missed when nobody waits")
{
  team two(2);
  two.accept_all(1);
  two.take();
  two.accepts(2, false);
  // What is told late.
  two.accept(1, 100, 100);
  two.accepts(2, true);
  two.accept_all(1);
  CHECK(two.take() == lines{"1 goes", "1 waits"});
  two.leave_to(1, 15);
  CHECK(two.take().empty());
}

TEST_CASE("one that is missed may have no room, and leave")
{
  team three(3);
  three.accept_all(1);
  three.accept_all(2);
  three.leave_to(1, 8);
  three.leave_to(2, 8);
  CHECK(three.take() == lines{"1 waits", "2 waits", "1 goes", "2 goes"});
  three.accepts(3, false);
  for (int i = 0; i != 500; ++i) {
    three.accept(1);
    three.accept(2);
  }
  CHECK(three.take().empty());
  SUBCASE("it comes back, and makes up for no more than any")
  {
    three.accepts(3, true);
    CHECK(three.take() == lines{"1 waits", "2 waits"});
    std::uint32_t got = 0;
    for (; three.take().empty(); ++got) three.accept(3);
    CHECK(got <= 64);
  }
  SUBCASE("it leaves")
  {
    three.leave(3);
    CHECK(three.take().empty());
  }
}

TEST_CASE("now and then one is left although the others are idle, and that is nothing")
{
  team two(2);
  for (int round = 0; round != 500; ++round) {
    two.accept_all(1);
    two.accept(1, 1, 1);
    while (!two.may_go(1)) two.accept(2);
    two.accept_all(2);
    while (!two.may_go(2)) two.accept(1);
  }
  CHECK(two.spread() <= 9);
}

TEST_CASE("one in two that are left are too many")
{
  team two(2);
  two.accept_all(1);
  int left = 0;
  for (; left != 1000 && !two.may_go(1); ++left) {
    two.accept(1, 1, 1);
    if (!two.may_go(1)) two.accept(2);
  }
  CHECK(left <= 24);
}

TEST_CASE("whose turn could not be told is told later, if it is still news")
{
  team two(2);
  two.unreachable = 1;
  for (int i = 0; i != 8; ++i) two.accept(1);
  CHECK(two.take().empty());
  two.unreachable = 0;
  two.tell();
  CHECK(two.take() == lines{"1 waits"});
  two.unreachable = 1;
  for (int i = 0; i != 4; ++i) two.accept(2);
  two.accept(1, 4);
  two.unreachable = 0;
  two.tell();
  CHECK(two.take().empty());
}

TEST_CASE("whoever is first each time, all get the same but for eight")
{
  std::mt19937 random(7);
  for (worker_id workers = 2; workers != 9; ++workers) {
    team all(workers);
    // Some are always faster than others, and others now and then.
    for (int i = 0; i != 5000; ++i) {
      const std::vector<worker_id> ready = all.who_may_go();
      REQUIRE_FALSE(ready.empty());
      all.accept(i / 1000 % 2 == 0 ? ready.front() : ready[random() % ready.size()]);
      REQUIRE(all.spread() <= 8);
    }
    // One frame for three connections, if that.
    CHECK(all.told.size() < 5000 / 3);
  }
}

TEST_CASE("whatever happens, somebody may go, and is told so")
{
  std::mt19937 random(11);
  for (int run = 0; run != 50; ++run) {
    team all(4);
    worker_id next = 5;
    for (int i = 0; i != 2000; ++i) {
      auto any = all.members.begin();
      std::advance(any, random() % all.members.size());
      const worker_id worker = any->first;
      const auto what = random() % 100;
      if (what == 0 && all.members.size() > 1) all.leave(worker);
      else if (what == 1 && all.members.size() < 8) all.join(next++);
      else if (what < 10) all.accepts(worker, !any->second.accepting);
      else if (what < 40) all.accept(worker, 1 + random() % 8);
      else if (any->second.accepting && !any->second.go) all.accept(worker, 1, 1);
      else all.accept(worker);
      const bool anybody =
          std::ranges::any_of(all.members, [](const auto& each) { return each.second.accepting; });
      if (anybody) REQUIRE_FALSE(all.who_may_go().empty());
    }
  }
}

} // namespace accept_turns_test
