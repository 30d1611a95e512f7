// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/power_of_two.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/policy_walk.hpp"

#include <cohort/scheduling/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace power_of_two_test {

using cohort::candidate;
using cohort::connection_info;
using cohort::power_of_two;
using cohort_test::chi_square_per_degree;
using cohort_test::choices_of;
using cohort_test::ready_members;

namespace {

// Connections that last, a number of them for each member; how many the one with the most gets
// beyond that.
template <class Policy>
std::uint32_t excess(Policy policy, std::size_t count, std::uint32_t for_each)
{
  auto members = ready_members(count);
  for (std::size_t n = count * for_each; n != 0; --n)
    ++members.at(policy.select(members, connection_info())).connections;
  return std::max_element(members.begin(), members.end(),
             [](auto& a, auto& b) { return a.connections < b.connections; })
             ->connections -
         for_each;
}

} // namespace

TEST_CASE("in random walks power_of_two always chooses, and only who is ready")
{
  std::uint32_t seed = 0;
  cohort_test::check_walks([&] { return power_of_two(++seed); });
  cohort_test::check_walks([&] { return cohort::better_of_two<cohort::reported_load>(++seed); });
}

TEST_CASE("the most that a member gets of power_of_two is far less than of random")
{
  for (std::uint32_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    // About log2 of the logarithm of 1,024 is to be expected, whatever each gets.
    CHECK(excess(power_of_two(seed), 1'024, 1) <= 3);
    CHECK(excess(power_of_two(seed), 1'024, 32) <= 4);
    CHECK(excess(cohort::random(seed), 1'024, 32) >= 14);
    CHECK(excess(power_of_two(seed), 16, 256) <= 4);
    CHECK(excess(cohort::random(seed), 16, 256) >= 14);
  }
}

TEST_CASE("power_of_two chooses each of equals as often")
{
  power_of_two policy(4);
  CHECK(chi_square_per_degree(choices_of(policy, ready_members(16), 16'000)) < 2);
}

TEST_CASE("of two members power_of_two nearly always chooses the one with fewer connections")
{
  power_of_two policy(3);
  auto members = ready_members(2);
  members[0].connections = 1;
  CHECK(choices_of(policy, members, 2'000)[0] < 100);
  std::swap(members[0].connections, members[1].offers);
  CHECK(choices_of(policy, members, 2'000)[1] < 100);
}

TEST_CASE("who has the most of all is hardly ever chosen by power_of_two, who has the least most")
{
  power_of_two policy(6);
  auto members = ready_members(10);
  for (std::size_t i = 0; i != 10; ++i) members[i].connections = static_cast<std::uint32_t>(i);
  const auto chosen = choices_of(policy, members, 10'000);
  // Of the pairs of different ones 9 - i of 45 have member i as their lower one.
  for (std::size_t i = 0; i != 10; ++i) {
    const auto expected = static_cast<double>((9 - i) * 10'000) / 45;
    CHECK(static_cast<double>(chosen[i]) == doctest::Approx(expected).epsilon(0.1).scale(200));
  }
}

TEST_CASE("power_of_two heeds weights")
{
  power_of_two policy(5);
  auto members = ready_members(8);
  for (std::size_t i = 0; i != 4; ++i) members[i].weight = 3;
  for (int i = 0; i != 16'000; ++i)
    ++members.at(policy.select(members, connection_info())).connections;
  for (const candidate& member : members)
    CHECK(member.connections == doctest::Approx(1'000.0 * member.weight).epsilon(0.01));
}

TEST_CASE("power_of_two chooses the only one that is ready")
{
  power_of_two policy(5);
  auto members = ready_members(50);
  for (candidate& member : members) member.window = 0;
  CHECK(policy.select(members, connection_info()) == cohort::wait);
  members[17].window = 1;
  members[17].connections = 9;
  CHECK(policy.select(members, connection_info()) == 17);
  CHECK(policy.select({}, connection_info()) == cohort::wait);
}

TEST_CASE("power_of_two goes by the measure that it is given")
{
  cohort::better_of_two<cohort::reported_load> policy(3);
  auto members = ready_members(2);
  members[0].load = 1;
  members[1].connections = 5;
  CHECK(choices_of(policy, members, 2'000)[0] < 100);
}

TEST_CASE("power_of_two never allocates")
{
  power_of_two policy(1);
  auto members = ready_members(100);
  for (std::size_t i = 2; i != members.size(); ++i) members[i].window = 0;
  const auto allocated = cohort_test::allocations_of([&] {
    for (int i = 0; i != 1'000; ++i) policy.select(members, connection_info());
  });
  CHECK(allocated.count == 0);
}

} // namespace power_of_two_test
