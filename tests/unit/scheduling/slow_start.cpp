// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/slow_start.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/policy_walk.hpp"

#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/power_of_two.hpp>
#include <cohort/scheduling/random.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/sticky.hpp>
#include <cohort/scheduling/weighted.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace slow_start_test {

using namespace std::chrono_literals;
using cohort::candidate;
using cohort::connection_info;
using cohort::round_robin;
using cohort::slow_start;
using cohort_test::ready_members;

namespace {

using clock = candidate::clock;

constexpr clock::time_point now(1h);

connection_info connection_at(clock::time_point time) { return {{}, 0, time}; }

// Old ones, and new ones behind them.
std::vector<candidate> members_of(std::size_t old, std::size_t fresh, clock::duration age)
{
  auto members = ready_members(old + fresh);
  for (std::size_t i = 0; i != members.size(); ++i)
    members[i].since = i < old ? now - 30min : now - age;
  return members;
}

template <class Policy>
std::vector<std::size_t> chosen_of(
    Policy& policy, const std::vector<candidate>& members, std::size_t count)
{
  std::vector<std::size_t> chosen(members.size());
  for (; count != 0; --count) ++chosen.at(policy.select(members, connection_at(now)));
  return chosen;
}

static_assert(cohort::scheduling_policy<slow_start<round_robin>>);
static_assert(cohort::detail::check_hooks<slow_start<cohort::least_connections>>());
static_assert(cohort::peek_of<slow_start<cohort::sticky_by_proxy>> ==
              cohort::peek_of<cohort::sticky_by_proxy>);

struct needs_argument : round_robin {
  explicit needs_argument(int) {}
};
static_assert(!std::is_default_constructible_v<slow_start<needs_argument>>);
static_assert(!std::is_constructible_v<slow_start<needs_argument>, std::chrono::seconds>);
static_assert(std::is_constructible_v<slow_start<needs_argument>, needs_argument>);

} // namespace

TEST_CASE("in random walks slow_start always chooses if its policy does, and only who is ready")
{
  cohort_test::check_walks([] { return slow_start<round_robin>(10s); });
  cohort_test::check_walks([] { return slow_start<cohort::least_connections>(10s); });
  cohort_test::check_walks([] { return slow_start<cohort::weighted>(10s); });
  cohort_test::check_walks([] { return slow_start<cohort::random>(cohort::random(3), 10s); });
  cohort_test::check_walks(
      [] { return slow_start<cohort::power_of_two>(cohort::power_of_two(3), 10s); });
  cohort_test::check_walks([] { return slow_start<cohort::sticky>(10s); }, false);
}

TEST_CASE("a new member is seen in a part of the choices that grows with its age")
{
  const struct {
    clock::duration age;
    double share;
  } cases[] = {{-1s, 0.1}, {0s, 0.1}, {1s, 0.1}, {3s, 0.1}, {6s, 0.2}, {15s, 0.5}, {27s, 0.9},
      {30s, 1}, {10min, 1}};
  for (const auto& each : cases) {
    CAPTURE(each.share);
    slow_start<cohort::least_connections> policy;
    auto members = members_of(3, 1, each.age);
    for (std::size_t i = 0; i != 3; ++i) members[i].connections = 1;
    std::uint32_t chosen = 0;
    for (int i = 0; i != 10'000; ++i) {
      const std::size_t found = policy.select(members, connection_at(now));
      REQUIRE(found < members.size());
      // Nobody has fewer connections than the new one.
      if (found == 3) ++chosen;
      else ++members[found].connections;
    }
    CHECK(static_cast<double>(chosen) == doctest::Approx(10'000 * each.share).epsilon(0.1));
    CHECK((chosen == 10'000) == (each.share == 1));
    // Those that it did not get the others share.
    for (std::size_t i = 0; i != 3; ++i)
      CHECK(members[i].connections == doctest::Approx(1 + (10'000.0 - chosen) / 3).epsilon(0.01));
  }
}

TEST_CASE("the choices that a new member gets are spread over time")
{
  slow_start<cohort::least_connections> policy;
  auto members = members_of(1, 1, 15s);
  members[0].connections = 10;
  std::size_t last = 0;
  for (int i = 0, same = 0; i != 10'000; ++i) {
    const std::size_t chosen = policy.select(members, connection_at(now));
    same = chosen == last ? same + 1 : 1;
    REQUIRE(same <= 20);
    last = chosen;
  }
}

TEST_CASE("with round_robin a new member has a part of its turn, from a tenth to all")
{
  for (const int percent : {10, 30, 50, 70, 100}) {
    CAPTURE(percent);
    slow_start<round_robin> policy(100s);
    const auto chosen = chosen_of(policy, members_of(4, 1, std::chrono::seconds(percent)), 10'000);
    // Its turn comes when four others have had theirs, and is missed when it is not shown.
    const double share = percent / 100.0;
    CHECK(static_cast<double>(chosen[4]) ==
          doctest::Approx(10'000 * share / (4 + share)).epsilon(0.1));
    for (std::size_t i = 0; i != 4; ++i) CHECK(chosen[i] >= 1'990);
  }
}

TEST_CASE("several new members are not all seen in the same choices")
{
  slow_start<cohort::least_connections> policy;
  auto members = members_of(1, 4, 6s);
  members[0].connections = 10;
  const auto chosen = chosen_of(policy, members, 1'000);
  // If they were, the old one would get 800; if each has its own lot, 410.
  CHECK(chosen[0] < 500);
  for (std::size_t i = 1; i != 5; ++i) CHECK(chosen[i] > 100);
}

TEST_CASE("a new member gets what nobody else can take")
{
  slow_start<round_robin> policy;
  auto members = members_of(3, 1, 0s);
  for (std::size_t i = 0; i != 3; ++i) members[i].window = 0;
  for (int i = 0; i != 100; ++i) REQUIRE(policy.select(members, connection_at(now)) == 3);
  members[3].window = 0;
  CHECK(policy.select(members, connection_at(now)) == cohort::wait);
  CHECK(policy.select({}, connection_at(now)) == cohort::wait);
}

TEST_CASE("members that are all new share evenly, with whatever policy")
{
  slow_start<round_robin> policy;
  auto members = members_of(0, 5, 0s);
  for (std::size_t i = 0; i != 5; ++i) members[i].since += i * 1s;
  CHECK(chosen_of(policy, members, 1'000) == std::vector<std::size_t>(5, 200));
  slow_start<cohort::weighted> by_weight;
  members[0].weight = 6;
  CHECK(chosen_of(by_weight, members, 1'000) == std::vector<std::size_t>{600, 100, 100, 100, 100});
}

TEST_CASE("members that are all old share evenly")
{
  slow_start<round_robin> policy;
  CHECK(chosen_of(policy, members_of(5, 0, 0s), 1'000) == std::vector<std::size_t>(5, 200));
}

TEST_CASE("a first member that has joined again does not make the others new")
{
  slow_start<cohort::least_connections> policy;
  auto members = members_of(3, 1, 0s);
  members[0].since = now;
  members[1].connections = members[2].connections = 10;
  const auto chosen = chosen_of(policy, members, 1'000);
  CHECK(chosen[0] + chosen[3] < 210);
}

TEST_CASE("weights of members that are new together with old ones stay what they are")
{
  slow_start<cohort::weighted> policy(100s);
  auto members = members_of(2, 1, 99s);
  members[0].weight = 4;
  const auto chosen = chosen_of(policy, members, 6'000);
  CHECK(chosen[0] == doctest::Approx(4'000).epsilon(0.02));
  CHECK(chosen[1] == doctest::Approx(1'000).epsilon(0.02));
}

TEST_CASE("slow_start has the inner policy and the period that it is given")
{
  slow_start<cohort::sticky> policy(cohort::sticky().patience(70ms), 1s);
  CHECK(policy.patience() == 70ms);
  slow_start<round_robin> brief(1s);
  CHECK(chosen_of(brief, members_of(3, 1, 1s), 400) == std::vector<std::size_t>(4, 100));
  // None at all: nobody is new.
  for (const auto period : {0s, -5s}) {
    slow_start<round_robin> none(period);
    CHECK(chosen_of(none, members_of(3, 1, 1s), 400) == std::vector<std::size_t>(4, 100));
  }
}

TEST_CASE("the inner policy hears what it would hear without slow_start")
{
  struct hearing : round_robin {
    void on_join(const candidate&) noexcept { ++*heard; }
    void on_leave(const candidate&) noexcept { *heard += 10; }
    void on_taken(const candidate&) noexcept { *heard += 100; }
    void on_released(const candidate&) noexcept { *heard += 1'000; }
    void on_change(std::span<const candidate>, std::size_t) noexcept { *heard += 10'000; }
    std::shared_ptr<int> heard = std::make_shared<int>(0);
  };
  slow_start<hearing> policy;
  const auto members = members_of(1, 1, 0s);
  policy.on_join(members[1]);
  policy.on_leave(members[1]);
  policy.on_taken(members[1]);
  policy.on_released(members[1]);
  policy.on_change(members, 1);
  CHECK(*policy.inner().heard == 11'111);
}

TEST_CASE("slow_start allocates for a new member once")
{
  slow_start<round_robin> policy;
  const auto members = members_of(50, 2, 1s);
  policy.select(members, connection_at(now));
  const auto allocated = cohort_test::allocations_of([&] {
    for (int i = 0; i != 1'000; ++i) policy.select(members, connection_at(now));
  });
  CHECK(allocated.count == 0);
  slow_start<round_robin> idle;
  const auto old = members_of(50, 0, 0s);
  CHECK(cohort_test::allocations_of([&] { idle.select(old, connection_at(now)); }).count == 0);
}

} // namespace slow_start_test
