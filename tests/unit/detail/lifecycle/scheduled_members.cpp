// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/scheduled_members.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace scheduled_members_test {

using cohort::candidate;
using cohort::connection_info;

namespace {

// What the policy hears, each with the member as it saw it then.
struct listening_policy {
  std::size_t select(std::span<const candidate>, const connection_info&) noexcept { return chosen; }
  void on_join(const candidate& member) { note("join", member); }
  void on_leave(const candidate& member) { note("leave", member); }
  void on_taken(const candidate& member) { note("taken", member); }
  void on_released(const candidate& member) { note("released", member); }
  void on_change(std::span<const candidate> members, std::size_t index)
  {
    note("change", members[index]);
  }
  void note(const std::string& what, const candidate& member)
  {
    notes.push_back(what + ' ' + std::to_string(member.id) + ": " + std::to_string(member.offers) +
                    '/' + std::to_string(member.window) + ' ' + std::to_string(member.connections) +
                    (member.ready() ? " ready" : ""));
  }

  std::size_t chosen = cohort::wait;
  std::vector<std::string> notes;
};

using members_type = cohort::detail::scheduled_members<int, listening_policy>;

struct fixture {
  // What was noted since the last time.
  std::vector<std::string> news()
  {
    const auto& all = members.policy().notes;
    std::vector<std::string> fresh(all.begin() + static_cast<std::ptrdiff_t>(seen), all.end());
    seen = all.size();
    return fresh;
  }
  using notes = std::vector<std::string>;

  members_type members{listening_policy()};
  std::size_t seen = 0;
};

} // namespace

TEST_CASE("the policy hears of every change of a member, after it")
{
  fixture test;
  CHECK(test.members.join(candidate(4)));
  CHECK(test.news() == fixture::notes{"join 4: 0/0 0"});
  CHECK(test.members.grant(4, 2));
  CHECK(test.news() == fixture::notes{"change 4: 0/2 0 ready"});
  test.members.add_offer(0, cohort::detail::offer<int>());
  test.members.add_offer(0, cohort::detail::offer<int>());
  CHECK(test.news() == fixture::notes{"change 4: 1/2 0 ready", "change 4: 2/2 0"});
  test.members.erase_offers(0, 0, 2);
  test.members.add_connections(0, 2);
  CHECK(test.news() == fixture::notes{"change 4: 0/2 0 ready", "taken 4: 0/2 1 ready",
                           "taken 4: 0/2 2 ready", "change 4: 0/2 2 ready"});
  test.members.end_connections(0, 1);
  CHECK(test.news() == fixture::notes{"released 4: 0/2 1 ready", "change 4: 0/2 1 ready"});
  CHECK(test.members.set_weight(4, 0));
  CHECK(test.members.set_weight(4, 3));
  CHECK(test.members.set_load(4, 9));
  CHECK(test.members[0].load == 9);
  CHECK(test.news() ==
        fixture::notes{"change 4: 0/2 1", "change 4: 0/2 1 ready", "change 4: 0/2 1 ready"});
  CHECK(test.members.set_open(4, false));
  CHECK(test.members.set_open(4, true));
  test.members.withdraw_credit(0);
  CHECK(
      test.news() == fixture::notes{"change 4: 0/2 1", "change 4: 0/2 1 ready", "change 4: 0/0 1"});
  CHECK(test.members.retire(4));
  CHECK(test.news().size() == 1);
  test.members.erase(0);
  CHECK(test.news() == fixture::notes{"leave 4: 0/0 1"});
  CHECK(test.members.candidates().empty());
}

TEST_CASE("a member that has retired joins again in its old place, as it is described now")
{
  fixture test;
  candidate described(1);
  described.weight = 2;
  described.slot = 5;
  CHECK(test.members.join(described));
  CHECK(test.members.join(candidate(2)));
  CHECK_FALSE(test.members.join(described));
  CHECK(test.members.retire(1));
  CHECK(test.members.active() == 1);
  described.weight = 7;
  CHECK(test.members.join(described));
  CHECK(test.members.active() == 2);
  CHECK(test.members[0].id == 1);
  CHECK(test.members[0].weight == 7);
  CHECK(test.members[0].slot == 5);
  CHECK(test.members[0].joined < test.members[1].joined);
}

TEST_CASE("nothing is changed of who is no member")
{
  fixture test;
  CHECK_FALSE(test.members.grant(1, 1));
  CHECK_FALSE(test.members.set_open(1, true));
  CHECK_FALSE(test.members.set_weight(1, 1));
  CHECK_FALSE(test.members.set_load(1, 1));
  CHECK_FALSE(test.members.retire(1));
  CHECK(test.news().empty());
}

TEST_CASE("when the policy does not choose, any member is one that is ready with the fewest offers")
{
  fixture test;
  for (cohort::worker_id id = 1; id <= 3; ++id) {
    test.members.join(candidate(id));
    test.members.grant(id, 4);
  }
  CHECK(test.members.choose(connection_info()) == members_type::none);
  test.members.grant(1, 0);
  test.members.add_offer(1, cohort::detail::offer<int>());
  CHECK(test.members.any() == 2);
  test.members.retire(2);
  test.members.retire(3);
  CHECK(test.members.any() == members_type::none);
}

} // namespace scheduled_members_test
