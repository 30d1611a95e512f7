// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/least_connections.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/policy_walk.hpp"

#include <cohort/scheduling/slow_start.hpp>
#include <cohort/scheduling/wrapper.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace least_connections_test {

using cohort::candidate;
using cohort::connection_info;
using cohort::least;
using cohort::least_connections;
using cohort::least_load;
using cohort::wait;
using cohort_test::ready_members;

namespace {

using members = std::vector<candidate>;

template <class Policy>
std::size_t next(Policy& policy, std::span<const candidate> all)
{
  return policy.select(all, connection_info());
}

// Lets the policy make its index, and changes nothing.
template <class Policy>
void tell(Policy& policy, std::span<const candidate> all)
{
  for (std::size_t i = 0; i != all.size(); ++i) policy.on_change(all, i);
}

// Chooses and takes, as often as `count` says, with or without telling of it.
void connect(least_connections& policy, members& all, std::size_t count, bool tells)
{
  for (; count != 0; --count) {
    const std::size_t i = next(policy, all);
    REQUIRE(i < all.size());
    ++all[i].connections;
    if (tells) policy.on_change(all, i);
  }
}

std::size_t measured = 0;

struct counted {
  double operator()(const candidate& member) const noexcept
  {
    ++measured;
    return cohort::open_connections()(member);
  }
};

} // namespace

TEST_CASE("least_connections chooses who has the fewest, those on their way included")
{
  for (const bool tells : {false, true}) {
    CAPTURE(tells);
    least_connections policy;
    auto all = ready_members(3);
    all[0].connections = 5;
    all[1].connections = 3;
    all[2].connections = 4;
    if (tells) tell(policy, all);
    CHECK(next(policy, all) == 1);
    all[1].offers = 2;
    if (tells) tell(policy, all);
    CHECK(next(policy, all) == 2);
  }
}

TEST_CASE("least_connections heeds weights and passes over members that are not ready")
{
  for (const bool tells : {false, true}) {
    CAPTURE(tells);
    least_connections policy;
    auto all = ready_members(3);
    all[0].connections = 5;
    all[0].weight = 4;
    all[1].connections = 1;
    all[2].connections = 2;
    if (tells) tell(policy, all);
    CHECK(next(policy, all) == 0);
    all[0].weight = 0;
    if (tells) tell(policy, all);
    CHECK(next(policy, all) == 1);
    all[1].open_to_offers = false;
    if (tells) tell(policy, all);
    CHECK(next(policy, all) == 2);
    all[2].window = 0;
    if (tells) tell(policy, all);
    CHECK(next(policy, all) == wait);
    CHECK(next(policy, {}) == wait);
  }
}

TEST_CASE("among equals least_connections gives each its turn")
{
  for (const bool tells : {false, true}) {
    CAPTURE(tells);
    for (const std::size_t count : {1u, 2u, 3u, 8u, 13u}) {
      least_connections policy;
      const auto all = ready_members(count);
      if (tells) tell(policy, all);
      for (std::size_t i = 0; i != 5 * count; ++i) REQUIRE(next(policy, all) == i % count);
    }
  }
}

TEST_CASE("connections that last are spread with a difference of at most one")
{
  for (const bool tells : {false, true}) {
    CAPTURE(tells);
    least_connections policy;
    auto all = ready_members(7);
    all[3].connections = 20;
    connect(policy, all, 6 * 20, tells);
    for (const candidate& member : all) CHECK(member.connections == 20);
    for (int i = 0; i != 100; ++i) {
      connect(policy, all, 1, tells);
      const auto [low, high] = std::minmax_element(
          all.begin(), all.end(), [](auto& a, auto& b) { return a.connections < b.connections; });
      REQUIRE(high->connections - low->connections <= 1);
    }
  }
}

TEST_CASE("nobody has more in proportion to its weight than another would have with one more")
{
  least_connections policy;
  auto all = ready_members(5);
  std::uint32_t weight = 1;
  for (candidate& member : all) member.weight = std::exchange(weight, 3 * weight);
  for (int i = 0; i != 500; ++i) {
    connect(policy, all, 1, true);
    for (const candidate& one : all)
      for (const candidate& other : all)
        REQUIRE(one.connections * other.weight <= (other.connections + 1) * one.weight);
  }
}

TEST_CASE("least_load goes by what members report")
{
  least_load policy;
  auto all = ready_members(3);
  all[0].load = 50;
  all[1].load = 30;
  all[2].load = 31;
  all[1].connections = 100;
  CHECK(next(policy, all) == 1);
  // What they are about to get they do not know yet.
  all[1].offers = 2;
  CHECK(next(policy, all) == 2);
  all[0].weight = 2;
  CHECK(next(policy, all) == 0);
}

TEST_CASE("in random walks least_connections always chooses, and only who is ready")
{
  cohort_test::check_walks([] { return least_connections(); });
  cohort_test::check_walks([] { return least_load(); });
}

TEST_CASE("the index of least_connections gives what a look at all members gives")
{
  struct side_by_side : cohort::policy_wrapper<least_connections> {
    std::size_t select(std::span<const candidate> all, const connection_info& connection) noexcept
    {
      const std::size_t chosen = inner().select(all, connection);
      agrees = plain.select(all, connection) == chosen;
      return agrees ? chosen : std::numeric_limits<std::size_t>::max() - 1;
    }
    least_connections plain;
    bool agrees = true;
  };
  cohort_test::check_walks([] { return side_by_side(); });
}

TEST_CASE("what changes while somebody joins and leaves again is not missed")
{
  least_connections policy;
  auto all = ready_members(4);
  for (candidate& member : all) member.connections = 5;
  tell(policy, all);
  CHECK(next(policy, all) == 0);
  all.push_back(candidate(77));
  all.back().joined = 5;
  all[1].connections = 9;
  policy.on_change(all, 1);
  all[2].connections = 3;
  policy.on_change(all, 2);
  all.pop_back();
  CHECK(next(policy, all) == 2);
}

TEST_CASE("members that a policy around it hides for a while are not forgotten")
{
  using namespace std::chrono_literals;
  cohort::slow_start<least_connections> policy(30s);
  const connection_info::clock::time_point now(std::chrono::hours(1));
  const connection_info connection({}, 0, now);
  auto all = ready_members(3);
  all[0].window = all[1].window = 1;
  tell(policy, all);
  all.push_back(all.back());
  // One that is not shown at first.
  all.back().joined = 5;
  all.back().since = now;
  policy.on_change(all, 3);
  for (int i = 0; i != 5; ++i) policy.select(all, connection);
  for (std::size_t i = 0; i != 3; ++i) {
    all[i].window = 0;
    policy.on_change(all, i);
  }
  CHECK(policy.select(all, connection) == 3);
}

TEST_CASE("a member that a policy around it hides is not chosen, however few connections it has")
{
  struct without_first : cohort::policy_wrapper<least_connections> {
    std::size_t select(std::span<const candidate> all, const connection_info& connection) noexcept
    {
      members shown(all.begin(), all.end());
      shown.front().open_to_offers = false;
      return inner().select(shown, connection);
    }
  };
  without_first policy;
  auto all = ready_members(4);
  all[1].connections = all[3].connections = 2;
  all[2].connections = 1;
  tell(policy, all);
  CHECK(next(policy, all) == 2);
  CHECK(next(policy, all) == 2);
  all[2].connections = 3;
  policy.on_change(all, 2);
  CHECK(next(policy, all) == 3);
  CHECK(next(policy, all) == 1);
}

TEST_CASE("a policy around it may show a part of the members")
{
  struct first_two : cohort::policy_wrapper<least_connections> {
    std::size_t select(std::span<const candidate> all, const connection_info& connection) noexcept
    {
      return inner().select(all.first(2), connection);
    }
  };
  first_two policy;
  auto all = ready_members(4);
  tell(policy, all);
  CHECK(next(policy, all) == 0);
  for (std::size_t i = 0; i != 10; ++i) {
    all[1].connections = i / 2 % 2 == 0 ? 10 : 20;
    all[0].connections = 15;
    policy.on_change(all, 0);
    policy.on_change(all, 1);
    REQUIRE(next(policy, all) == (i / 2 + 1) % 2);
  }
}

TEST_CASE("told of changes, least_connections measures only who has changed")
{
  least<counted> policy;
  auto all = ready_members(1'024);
  tell(policy, all);
  measured = 0;
  for (int i = 0; i != 100; ++i) {
    const std::size_t chosen = next(policy, all);
    ++all[chosen].offers;
    policy.on_change(all, chosen);
  }
  CHECK(measured == 100);
}

TEST_CASE("least_connections does not allocate as long as nobody joins")
{
  least_connections policy;
  auto all = ready_members(100);
  tell(policy, all);
  CHECK(cohort_test::allocations_of([&] { connect(policy, all, 1'000, true); }).count == 0);
  all.pop_back();
  CHECK(cohort_test::allocations_of([&] { connect(policy, all, 1'000, true); }).count == 0);
}

} // namespace least_connections_test
