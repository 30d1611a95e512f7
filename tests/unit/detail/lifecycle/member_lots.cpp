// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/member_lots.hpp>

#include <doctest/doctest.h>

#include "support/policy_walk.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace member_lots_test {

using cohort::candidate;
using cohort::wait;
using cohort::detail::member_lots;
using cohort_test::chi_square_per_degree;
using cohort_test::ready_members;

namespace {

std::vector<std::size_t> draws_of(
    member_lots& lots, const std::vector<candidate>& members, std::size_t count)
{
  std::vector<std::size_t> drawn(members.size());
  for (; count != 0; --count) ++drawn.at(lots.draw(members));
  return drawn;
}

} // namespace

TEST_CASE("nobody is drawn when nobody is ready")
{
  member_lots lots(1);
  CHECK(lots.draw({}) == wait);
  auto members = ready_members(5);
  for (candidate& member : members) member.window = 0;
  CHECK(lots.draw(members) == wait);
}

TEST_CASE("each member is drawn with the same chance")
{
  for (const std::size_t count : {2u, 3u, 10u, 64u, 1'000u}) {
    CAPTURE(count);
    member_lots lots(42);
    CHECK(chi_square_per_degree(draws_of(lots, ready_members(count), 200 * count)) <
          (count < 64 ? 3.0 : 1.3));
  }
}

TEST_CASE("so is each one that is ready, however few they are")
{
  for (const std::size_t every : {2u, 10u, 100u}) {
    CAPTURE(every);
    member_lots lots(7);
    auto members = ready_members(1'000);
    for (std::size_t i = 0; i != members.size(); ++i)
      if (i % every != 3 % every) members[i].window = 0;
    std::vector<std::size_t> ready;
    const auto drawn = draws_of(lots, members, 20'000);
    for (std::size_t i = 0; i != members.size(); ++i) {
      if (members[i].ready()) ready.push_back(drawn[i]);
      else REQUIRE(drawn[i] == 0);
    }
    CHECK(chi_square_per_degree(ready) < 2);
  }
}

TEST_CASE("the only one that is ready among many is always found")
{
  member_lots lots(3);
  for (std::size_t i = 0; i < 1'000; i += 37) {
    auto members = ready_members(1'000);
    for (candidate& member : members) member.open_to_offers = false;
    members[i].open_to_offers = true;
    CHECK(lots.draw(members) == i);
  }
}

TEST_CASE("one draw says nothing about the next")
{
  member_lots lots(11);
  const auto members = ready_members(8);
  std::vector<std::size_t> pairs(64);
  for (int i = 0; i != 20'000; ++i) {
    const std::size_t first = lots.draw(members);
    ++pairs.at(8 * first + lots.draw(members));
  }
  CHECK(chi_square_per_degree(pairs) < 1.5);
}

TEST_CASE("the same seed draws the same ones, another one others")
{
  const auto members = ready_members(100);
  member_lots one(5), same(5), other(6);
  std::size_t equal = 0;
  for (int i = 0; i != 100; ++i) {
    const std::size_t drawn = one.draw(members);
    REQUIRE(same.draw(members) == drawn);
    equal += other.draw(members) == drawn ? 1U : 0U;
  }
  CHECK(equal < 10);
}

} // namespace member_lots_test
