// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/recycling.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>

namespace recycling_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using cohort::retire_reason;

namespace {

const recycling::time start(1h);

recycle_limits all()
{
  recycle_limits limits;
  limits.requests = 1000;
  limits.age = 1h;
  limits.memory = 1'000'000;
  limits.descriptors = 100;
  return limits;
}

} // namespace

TEST_CASE("each limit is a reason, at its value and not before")
{
  recycling one(all(), 0, 1);
  one.begin(start);
  CHECK_FALSE(one.served(999));
  CHECK_FALSE(one.sampled(999'999, 99));
  CHECK_FALSE(one.tick(start + 1h - 1ns));
  CHECK(one.ends_at() == start + 1h);
  CHECK(one.wants_samples());
  SUBCASE("requests") { CHECK(one.served(1000) == retire_reason::requests); }
  SUBCASE("age") { CHECK(one.tick(start + 1h) == retire_reason::age); }
  SUBCASE("memory") { CHECK(one.sampled(1'000'000, 1) == retire_reason::memory); }
  SUBCASE("descriptors") { CHECK(one.sampled(1, 100) == retire_reason::descriptors); }
  SUBCASE("what is known decides")
  {
    CHECK(one.sampled(std::nullopt, 100) == retire_reason::descriptors);
  }
  SUBCASE("it asks") { CHECK(one.asked() == retire_reason::asked); }
  // Once, whatever follows.
  CHECK_FALSE(one.served(5000));
  CHECK_FALSE(one.asked());
  CHECK_FALSE(one.sampled(5'000'000, 500));
  CHECK_FALSE(one.tick(start + 5h));
  CHECK_FALSE(one.ends_at());
  CHECK_FALSE(one.wants_samples());
}

TEST_CASE("without limits there is nothing to look at, and nothing is a reason")
{
  recycling one(recycle_limits(), 1, 1);
  one.begin(start);
  CHECK_FALSE(one.wants_samples());
  CHECK_FALSE(one.ends_at());
  CHECK_FALSE(one.served(~std::uint64_t(0)));
  CHECK_FALSE(one.sampled(~std::uint64_t(0), ~std::uint64_t(0)));
  CHECK_FALSE(one.tick(recycling::time::max()));
  CHECK(one.asked());
}

TEST_CASE("what it uses while it comes up is no reason, and its age begins when it serves")
{
  recycling one(all(), 0, 1);
  CHECK_FALSE(one.wants_samples());
  CHECK_FALSE(one.ends_at());
  CHECK_FALSE(one.sampled(2'000'000, 200));
  CHECK_FALSE(one.tick(start));
  one.begin(start);
  one.begin(start + 1min);
  CHECK(one.ends_at() == start + 1h);
  CHECK(one.sampled(2'000'000, 200) == retire_reason::memory);
}

TEST_CASE("an age without end does not go round")
{
  recycle_limits limits;
  limits.age = recycling::duration::max();
  recycling one(limits, 0, 1);
  one.begin(start);
  CHECK(one.ends_at() == recycling::time::max());
}

TEST_CASE("limits are lowered by a share at most, each by its own, and alike from one seed")
{
  std::set<std::uint64_t> requests, memories;
  for (std::uint32_t seed = 1; seed != 200; ++seed) {
    const recycling one(all(), 0.2, seed), again(all(), 0.2, seed);
    const recycle_limits& limits = one.limits();
    CHECK(limits.requests == again.limits().requests);
    CHECK(limits.age == again.limits().age);
    CHECK(limits.requests >= 800);
    CHECK(limits.requests <= 1000);
    CHECK(limits.age >= 48min);
    CHECK(limits.age <= 60min);
    CHECK(limits.memory >= 800'000);
    CHECK(limits.memory <= 1'000'000);
    CHECK(limits.descriptors >= 80);
    CHECK(limits.descriptors <= 100);
    requests.insert(limits.requests);
    memories.insert(limits.memory);
    // Else who has enough of one has enough of all.
    if (seed > 10) CHECK(limits.requests * 1000 != limits.memory);
  }
  // They are spread over what they may be.
  CHECK(requests.size() > 50);
  CHECK(*requests.begin() < 820);
  CHECK(*requests.rbegin() > 980);
  CHECK(memories.size() > 190);
}

TEST_CASE("the smallest limit stays one, and none stays none, however they are lowered")
{
  recycle_limits limits;
  limits.requests = 1;
  limits.memory = 2;
  for (std::uint32_t seed = 1; seed != 100; ++seed) {
    const recycling one(limits, 1, seed);
    CHECK(one.limits().requests == 1);
    CHECK(one.limits().memory >= 1);
    CHECK(one.limits().descriptors == 0);
    CHECK(one.limits().age == 0s);
  }
}

} // namespace recycling_test
