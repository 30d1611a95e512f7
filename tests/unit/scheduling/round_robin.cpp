// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/round_robin.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace round_robin_test {

using cohort::candidate;
using cohort::connection_info;
using cohort::round_robin;
using cohort::worker_id;

namespace {

// Members whose ids are not in the order in which they joined.
class members {
public:
  explicit members(std::size_t count)
  {
    for (; count != 0; --count) join();
  }

  worker_id join()
  {
    candidate c(1'000 - static_cast<worker_id>(joined_));
    c.joined = ++joined_;
    c.window = 1;
    all.push_back(c);
    return c.id;
  }

  void leave(worker_id id)
  {
    std::erase_if(all, [&](const candidate& c) { return c.id == id; });
  }

  // The worker chosen, 0 for nobody.
  worker_id next(round_robin& policy) const
  {
    const std::size_t i = policy.select(all, connection_info());
    return i == cohort::wait ? 0 : all.at(i).id;
  }

  std::vector<candidate> all;

private:
  std::uint64_t joined_ = 0;
};

} // namespace

TEST_CASE("round_robin goes through the members in the order in which they joined")
{
  round_robin policy;
  const members m(8);
  for (int round = 0; round != 250; ++round)
    for (const candidate& c : m.all) REQUIRE(m.next(policy) == c.id);
}

TEST_CASE("round_robin passes over members that are not ready, and waits when none is")
{
  round_robin policy;
  members m(4);
  m.all[1].window = 0;
  m.all[2].open_to_offers = false;
  CHECK(m.next(policy) == m.all[0].id);
  CHECK(m.next(policy) == m.all[3].id);
  CHECK(m.next(policy) == m.all[0].id);
  m.all[0].offers = m.all[3].offers = 1;
  CHECK(m.next(policy) == 0);
  CHECK(members(0).next(policy) == 0);
  for (candidate& c : m.all) c.window = 2, c.open_to_offers = true;
  CHECK(m.next(policy) == m.all[1].id);
}

TEST_CASE("in round_robin nobody's turn changes because others leave or join")
{
  std::mt19937 random(3);
  for (int round = 0; round != 2'000; ++round) {
    round_robin policy;
    members m(1 + random() % 6);
    // Those whose turn is still to come, the next one first.
    std::vector<worker_id> turns;
    for (const candidate& c : m.all) turns.push_back(c.id);
    std::size_t wrapped = 0;
    for (int step = 0; step != 30; ++step) {
      switch (random() % 4) {
      case 0:
        if (!m.all.empty()) {
          const worker_id id = m.all[random() % m.all.size()].id;
          const auto at = std::find(turns.begin(), turns.end(), id);
          if (static_cast<std::size_t>(turns.end() - at) <= wrapped) --wrapped;
          turns.erase(at);
          m.leave(id);
        }
        break;
      case 1:
        // Behind all the older ones and before those that have had their turn in this round.
        turns.insert(turns.end() - static_cast<std::ptrdiff_t>(wrapped), m.join());
        break;
      default:
        if (turns.empty()) {
          REQUIRE(m.next(policy) == 0);
          break;
        }
        if (wrapped == turns.size()) wrapped = 0;
        REQUIRE(m.next(policy) == turns.front());
        turns.push_back(turns.front());
        turns.erase(turns.begin());
        ++wrapped;
      }
    }
  }
}

TEST_CASE("round_robin takes turns by index among candidates that nobody numbered")
{
  round_robin policy;
  std::vector<candidate> all = {candidate(1), candidate(2)};
  for (candidate& c : all) c.window = 1;
  for (std::size_t i = 0; i != 10; ++i) CHECK(policy.select(all, connection_info()) == i % 2);
}

} // namespace round_robin_test
