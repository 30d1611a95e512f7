// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/candidate.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <type_traits>

namespace candidate_test {

using cohort::candidate;

namespace {

// The array of candidates is kept up to date by plain copies.
static_assert(std::is_trivially_copyable_v<candidate>);
static_assert(!std::is_convertible_v<cohort::worker_id, candidate>);

} // namespace

TEST_CASE("a candidate is not ready before it grants credit")
{
  candidate member(7);
  CHECK(member.id == 7);
  CHECK_FALSE(member.ready());
  member.window = 1;
  CHECK(member.ready());
}

TEST_CASE("a candidate is ready while it has fewer offers than credit")
{
  candidate member(1);
  member.window = 2;
  member.offers = 1;
  CHECK(member.ready());
  member.offers = 2;
  CHECK_FALSE(member.ready());
  // Credit may have been withdrawn below what is offered already.
  member.window = 1;
  CHECK_FALSE(member.ready());
}

TEST_CASE("a candidate that is closed to offers is not ready, whatever its credit")
{
  candidate member(1);
  member.window = 16;
  member.open_to_offers = false;
  CHECK_FALSE(member.ready());
}

TEST_CASE("the index that means wait is none that a member can have")
{
  CHECK(cohort::wait > std::size_t(1) << 30);
}

TEST_CASE("a candidate with weight 0 is not ready")
{
  candidate member(1);
  member.window = 16;
  CHECK(member.weight == 1);
  member.weight = 0;
  CHECK_FALSE(member.ready());
}

TEST_CASE("the age of a candidate counts from when it joined")
{
  candidate member(1);
  member.since = candidate::clock::time_point(std::chrono::seconds(100));
  CHECK(member.age(candidate::clock::time_point(std::chrono::seconds(103))) ==
        std::chrono::seconds(3));
}

} // namespace candidate_test
