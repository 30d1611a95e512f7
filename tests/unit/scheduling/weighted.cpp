// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/weighted.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/policy_walk.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace weighted_test {

using cohort::candidate;
using cohort::connection_info;
using cohort::weighted;
using cohort_test::choices_of;
using cohort_test::ready_members;

namespace {

std::vector<candidate> members_of(const std::vector<std::uint32_t>& weights)
{
  auto members = ready_members(weights.size());
  for (std::size_t i = 0; i != weights.size(); ++i) members[i].weight = weights[i];
  return members;
}

// The next choices, a for the first member.
std::string turns(weighted& policy, std::span<const candidate> members, std::size_t count)
{
  std::string chosen;
  for (; count != 0; --count) {
    const std::size_t i = policy.select(members, connection_info());
    chosen += i == cohort::wait ? '-' : static_cast<char>('a' + i);
  }
  return chosen;
}

} // namespace

TEST_CASE("in random walks weighted always chooses, and only who is ready")
{
  cohort_test::check_walks([] { return weighted(); });
}

TEST_CASE("weighted turns are as documented")
{
  weighted policy;
  CHECK(turns(policy, members_of({5, 1, 1}), 14) == "aabacaaaabacaa");
}

TEST_CASE("with equal weights each has its turn")
{
  for (const std::uint32_t weight : {1u, 7u, 1'000'000'000u}) {
    weighted policy;
    CHECK(turns(policy, members_of({weight, weight, weight, weight}), 12) == "abcdabcdabcd");
  }
}

TEST_CASE("while all are ready each has exactly its share of each cycle and nearly of its parts")
{
  std::mt19937 random(8);
  for (int round = 0; round != 200; ++round) {
    std::vector<std::uint32_t> weights(1 + random() % 8);
    std::size_t cycle = 0;
    for (std::uint32_t& each : weights)
      cycle += each = 1 + static_cast<std::uint32_t>(random() % 9);
    const auto members = members_of(weights);
    weighted policy;
    for (int n = 0; n != 4; ++n) {
      std::vector<std::size_t> chosen(members.size());
      for (std::size_t i = 1; i <= cycle; ++i) {
        ++chosen.at(policy.select(members, connection_info()));
        for (std::size_t m = 0; m != members.size(); ++m) {
          const auto share = static_cast<double>(i * weights[m]) / static_cast<double>(cycle);
          REQUIRE(std::abs(static_cast<double>(chosen[m]) - share) < 2);
        }
      }
      for (std::size_t m = 0; m != members.size(); ++m) REQUIRE(chosen[m] == weights[m]);
    }
    // A cycle may be thought to begin anywhere.
    turns(policy, members, random() % cycle);
    const auto chosen = choices_of(policy, members, cycle);
    for (std::size_t m = 0; m != members.size(); ++m) REQUIRE(chosen[m] == weights[m]);
  }
}

TEST_CASE("a member that is not ready misses its turns, and does not make up for them")
{
  weighted policy;
  auto members = members_of({2, 1, 1});
  members[0].window = 0;
  CHECK(turns(policy, members, 6) == "bcbcbc");
  members[0].window = 1;
  CHECK(turns(policy, members, 8) == "abcaabca");
  for (candidate& member : members) member.open_to_offers = false;
  CHECK(turns(policy, members, 2) == "--");
  for (candidate& member : members) member.open_to_offers = true;
  CHECK(turns(policy, members, 4) == "abca");
  CHECK(turns(policy, {}, 1) == "-");
}

TEST_CASE("whoever is ready from choice to choice, nobody is owed more than a cycle")
{
  std::mt19937 random(8);
  const std::vector<std::uint32_t> weights = {1, 2, 3, 6};
  auto members = members_of(weights);
  for (int round = 0; round != 500; ++round) {
    weighted policy;
    for (int n = 0; n != 500; ++n) {
      for (candidate& member : members) member.window = static_cast<std::uint32_t>(random() % 2);
      turns(policy, members, 1);
    }
    for (candidate& member : members) member.window = 1;
    const auto chosen = choices_of(policy, members, 12);
    for (std::size_t m = 0; m != members.size(); ++m) REQUIRE(chosen[m] <= weights[m] + 12);
    // And then all goes on as ever.
    turns(policy, members, 100);
    const auto later = choices_of(policy, members, 12);
    for (std::size_t m = 0; m != members.size(); ++m) REQUIRE(later[m] == weights[m]);
  }
}

TEST_CASE("a weight that changes counts from the next choice on")
{
  weighted policy;
  auto members = members_of({1, 1});
  CHECK(turns(policy, members, 4) == "abab");
  members[1].weight = 3;
  CHECK(choices_of(policy, members, 40) == std::vector<std::size_t>{10, 30});
  members[0].weight = 0;
  CHECK(turns(policy, members, 3) == "bbb");
}

TEST_CASE("who joins or leaves lets everybody begin anew")
{
  weighted policy;
  auto members = members_of({3, 1, 1});
  CHECK(turns(policy, members, 3) == "aba");
  // Another one instead of the last, that is, with as many members as before.
  members.back().joined = 10;
  CHECK(turns(policy, members, 5) == "abaca");
  CHECK(turns(policy, members, 2) == "ab");
  members.erase(members.begin());
  CHECK(turns(policy, members, 4) == "abab");
}

TEST_CASE("weighted does not allocate as long as nobody joins")
{
  weighted policy;
  auto members = members_of({4, 3, 2, 1});
  choices_of(policy, members, 1);
  const auto allocated = cohort_test::allocations_of([&] {
    for (int i = 0; i != 100; ++i) policy.select(members, connection_info());
    members.pop_back();
    for (int i = 0; i != 100; ++i) policy.select(members, connection_info());
  });
  CHECK(allocated.count == 0);
}

} // namespace weighted_test
