// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Policies when there is no memory for what they keep of their members. Their functions cannot
// throw: a listener goes on without that.

#include "support/failing_allocations.hpp"
#include "support/policy_walk.hpp"

#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/slow_start.hpp>
#include <cohort/scheduling/weighted.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace policy_memory_faults {

using namespace std::chrono_literals;
using cohort::candidate;
using cohort::connection_info;
using cohort_test::faulty_allocations;
using cohort_test::no_memory;
using cohort_test::ready_members;

namespace {

using counts = std::vector<std::size_t>;

// How often in so many calls there is no memory.
enum class lack { in_half_of_calls, always };

// A policy that is called without memory, and another one that always has it.
template <class Policy>
class starved {
public:
  starved(const Policy& policy, lack how) : policy_(policy), fed_(policy), how_(how) {}

  std::size_t select(std::span<const candidate> members, const connection_info& connection) noexcept
  {
    fed_answer = fed_.select(members, connection);
    const no_memory now(lacks());
    return answer = policy_.select(members, connection);
  }
  void on_change(std::span<const candidate> members, std::size_t index) noexcept
  {
    if constexpr (requires { policy_.on_change(members, index); }) {
      fed_.on_change(members, index);
      const no_memory now(lacks());
      policy_.on_change(members, index);
    }
  }

  std::size_t answer = 0;
  std::size_t fed_answer = 0;

private:
  bool lacks() { return how_ == lack::always || random_() % 2 == 0; }

  Policy policy_;
  Policy fed_;
  lack how_;
  std::minstd_rand random_{1};
};

// Walks find out whether it ever says anything but members that are ready. Whether it tried to get
// memory.
template <class Policy>
bool walk_starved(const Policy& policy)
{
  const unsigned failed = faulty_allocations.failed;
  lack how = lack::always;
  cohort_test::check_walks([&] {
    how = how == lack::always ? lack::in_half_of_calls : lack::always;
    return starved<Policy>(policy, how);
  });
  return faulty_allocations.failed != failed;
}

} // namespace

TEST_CASE("without memory every policy names members that are ready, or waits when there is none")
{
  CHECK(walk_starved(cohort::least_connections()));
  CHECK(walk_starved(cohort::weighted()));
  CHECK(walk_starved(cohort::slow_start<cohort::least_connections>(50ms)));
  CHECK(walk_starved(cohort::any_policy(cohort::slow_start<cohort::weighted>(50ms))));
}

TEST_CASE("without memory for its order least_connections looks at all, and finds the same one")
{
  for (const lack how : {lack::in_half_of_calls, lack::always}) {
    for (std::uint32_t seed = 1; seed != 20; ++seed) {
      starved<cohort::least_connections> policy(cohort::least_connections(), how);
      cohort_test::policy_walk walk(policy, seed);
      for (int step = 0; step != 2'000; ++step) {
        walk.change();
        walk.connect(walk.someone());
        REQUIRE(policy.answer == policy.fed_answer);
      }
    }
  }
}

TEST_CASE("least_connections keeps its order again when there is memory for it")
{
  auto members = ready_members(40);
  for (std::size_t i = 0; i != members.size(); ++i)
    members[i].connections = static_cast<std::uint32_t>(10 + i);
  cohort::least_connections policy;
  const auto change = [&](std::size_t which, std::uint32_t connections) {
    members[which].connections = connections;
    policy.on_change(members, which);
  };
  {
    const unsigned failed = faulty_allocations.failed;
    const no_memory now;
    change(30, 3);
    CHECK(policy.select(members, connection_info()) == 30);
    change(20, 2);
    CHECK(policy.select(members, connection_info()) == 20);
    CHECK(faulty_allocations.failed > failed);
  }
  change(25, 1);
  CHECK(policy.select(members, connection_info()) == 25);
  // From here on it needs no more, and goes by what it is told alone.
  const unsigned failed = faulty_allocations.failed;
  const no_memory now;
  change(25, 50);
  CHECK(policy.select(members, connection_info()) == 20);
  members[39].connections = 0;
  CHECK(policy.select(members, connection_info()) == 20);
  policy.on_change(members, 39);
  CHECK(policy.select(members, connection_info()) == 39);
  CHECK(faulty_allocations.failed == failed);
}

TEST_CASE("without memory for the turns weighted names the heaviest, and then gives each its share")
{
  auto members = ready_members(3);
  members[0].weight = 2;
  members[1].weight = 5;
  members[2].weight = 1;
  cohort::weighted policy;
  counts starved_counts(members.size());
  {
    const no_memory now;
    starved_counts[policy.select(members, connection_info())]++;
    starved_counts[policy.select(members, connection_info())]++;
    members[1].window = 0;
    starved_counts[policy.select(members, connection_info())]++;
    members[0].window = members[2].window = 0;
    CHECK(policy.select(members, connection_info()) == cohort::wait);
    CHECK(policy.select(std::span(members).first(0), connection_info()) == cohort::wait);
  }
  CHECK(starved_counts == counts{1, 2, 0});
  for (candidate& each : members) each.window = 1'000'000;
  CHECK(cohort_test::choices_of(policy, members, 80) == counts{20, 50, 10});
  // One more joins without memory for it: the heaviest, until there is.
  auto more = ready_members(4);
  for (std::size_t i = 0; i != members.size(); ++i) more[i].weight = members[i].weight;
  more[3].weight = 2;
  {
    const no_memory now;
    for (int i = 0; i != 3; ++i) CHECK(policy.select(more, connection_info()) == 1);
  }
  CHECK(cohort_test::choices_of(policy, more, 100) == counts{20, 50, 10, 20});
}

TEST_CASE("without memory slow_start hides nobody, and then lets the new begin slowly")
{
  constexpr candidate::clock::time_point now(1h);
  auto members = ready_members(4);
  for (candidate& each : members) each.since = now - 30min;
  members.back().since = now;
  cohort::slow_start<cohort::round_robin> policy;
  const connection_info connection({}, 0, now);
  const auto chosen = [&](std::size_t count) {
    counts found(members.size());
    for (; count != 0; --count) ++found.at(policy.select(members, connection));
    return found;
  };
  counts starved_counts(members.size());
  {
    // What counts is made before.
    counts& found = starved_counts;
    const no_memory none;
    for (int i = 0; i != 400; ++i) ++found[policy.select(members, connection)];
  }
  CHECK(starved_counts == counts{100, 100, 100, 100});
  // A tenth of its turns.
  const counts found = chosen(4'000);
  CHECK(found[3] > 50);
  CHECK(found[3] < 150);
}

} // namespace policy_memory_faults
