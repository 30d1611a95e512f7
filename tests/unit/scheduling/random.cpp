// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/random.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/policy_walk.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace random_test {

using cohort::candidate;
using cohort::connection_info;
using cohort_test::chi_square_per_degree;
using cohort_test::choices_of;
using cohort_test::ready_members;

TEST_CASE("in random walks random always chooses, and only who is ready")
{
  std::uint32_t seed = 0;
  cohort_test::check_walks([&] { return cohort::random(++seed); });
}

TEST_CASE("random chooses each member as often, whatever it has to do and whatever its weight")
{
  cohort::random policy(4);
  auto members = ready_members(16);
  members[3].connections = 1'000;
  members[4].weight = 1'000;
  CHECK(chi_square_per_degree(choices_of(policy, members, 16'000)) < 2);
}

TEST_CASE("random chooses each that is ready as often")
{
  cohort::random policy(5);
  auto members = ready_members(64);
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i != members.size(); ++i)
    if (i % 5 != 0) members[i].window = 0;
  const auto chosen = choices_of(policy, members, 13'000);
  for (std::size_t i = 0; i != members.size(); ++i)
    if (i % 5 == 0) ready.push_back(chosen[i]);
  CHECK(chi_square_per_degree(ready) < 2);
}

TEST_CASE("random chooses the same ones again with the same seed, other ones without")
{
  const auto members = ready_members(1'000);
  const auto some = [&](cohort::random policy) {
    std::vector<std::size_t> chosen;
    for (int i = 0; i != 20; ++i) chosen.push_back(policy.select(members, connection_info()));
    return chosen;
  };
  CHECK(some(cohort::random(9)) == some(cohort::random(9)));
  CHECK(some(cohort::random(9)) != some(cohort::random(10)));
  CHECK(some(cohort::random()) != some(cohort::random()));
}

TEST_CASE("random never allocates")
{
  cohort::random policy(1);
  auto members = ready_members(100);
  for (std::size_t i = 1; i != members.size(); ++i) members[i].window = 0;
  const auto allocated = cohort_test::allocations_of([&] {
    for (int i = 0; i != 1'000; ++i) policy.select(members, connection_info());
  });
  CHECK(allocated.count == 0);
}

} // namespace random_test
