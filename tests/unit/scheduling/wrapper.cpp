// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/wrapper.hpp>

#include <doctest/doctest.h>

#include "support/policy_walk.hpp"

#include <cohort/scheduling/round_robin.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace wrapper_test {

using namespace std::chrono_literals;
using cohort::candidate;
using cohort::connection_info;
using cohort::policy_wrapper;
using cohort::round_robin;

namespace {

// Notes what it hears.
struct noting {
  static constexpr std::size_t peek = 12;

  std::size_t select(std::span<const candidate> all, const connection_info& connection) noexcept
  {
    notes.push_back("select " + std::to_string(connection.peer_port()));
    return all.size() - 1;
  }
  void on_join(const candidate& member) { note("join", member); }
  void on_leave(const candidate& member) { note("leave", member); }
  void on_taken(const candidate& member) { note("taken", member); }
  void on_released(const candidate& member) { note("released", member); }
  void on_change(std::span<const candidate> all, std::size_t index)
  {
    note("change of " + std::to_string(all.size()) + ':', all[index]);
  }
  std::chrono::milliseconds patience() const { return 70ms; }
  cohort::distribution distribution() const { return cohort::distribution::by_kernel; }
  bool enough(std::span<const std::byte> first_bytes) const { return first_bytes.size() == 3; }
  std::chrono::milliseconds peek_time() const { return 80ms; }
  cohort::overflow on_overflow() const { return cohort::overflow::reset(); }

  void note(const std::string& what, const candidate& member)
  {
    notes.push_back(what + ' ' + std::to_string(member.id));
  }
  std::vector<std::string> notes;
};

struct needs_argument : round_robin {
  explicit needs_argument(int value) : given(value) {}
  int given;
};

struct move_only : round_robin {
  std::unique_ptr<int> state;
};

template <class Policy>
concept has_patience = requires(const Policy& policy)
{
  policy.patience();
};
template <class Policy>
concept has_enough = requires(const Policy& policy)
{
  policy.enough({});
};
template <class Policy>
concept has_distribution = requires(const Policy& policy)
{
  policy.distribution();
};
template <class Policy>
concept wrappable = requires
{
  typename policy_wrapper<Policy>;
};

static_assert(cohort::scheduling_policy<policy_wrapper<noting>>);
static_assert(cohort::scheduling_policy<policy_wrapper<policy_wrapper<round_robin>>>);
static_assert(cohort::detail::check_hooks<policy_wrapper<noting>>());
static_assert(cohort::detail::check_hooks<policy_wrapper<round_robin>>());
static_assert(!wrappable<int>);
static_assert(!wrappable<move_only>);

// What the inner policy does not have is not there: it is as if it were not wrapped.
static_assert(has_patience<policy_wrapper<noting>> && !has_patience<policy_wrapper<round_robin>>);
static_assert(has_enough<policy_wrapper<noting>> && !has_enough<policy_wrapper<round_robin>>);
static_assert(
    has_distribution<policy_wrapper<noting>> && !has_distribution<policy_wrapper<round_robin>>);
static_assert(cohort::peek_of<policy_wrapper<noting>> == 12);
static_assert(cohort::peek_of<policy_wrapper<policy_wrapper<noting>>> == 12);
static_assert(cohort::peek_of<policy_wrapper<round_robin>> == 0);
static_assert(cohort::detail::distribution_of(policy_wrapper<round_robin>()) ==
              cohort::distribution::by_primary);

static_assert(std::is_default_constructible_v<policy_wrapper<round_robin>>);
static_assert(!std::is_default_constructible_v<policy_wrapper<needs_argument>>);
static_assert(!std::is_convertible_v<round_robin, policy_wrapper<round_robin>>);

// The example in the documentation.
bool is_morning() { return true; }

template <cohort::scheduling_policy Policy>
struct mornings : cohort::policy_wrapper<Policy> {
  std::size_t select(std::span<const cohort::candidate> members,
      const cohort::connection_info& connection) noexcept
  {
    return this->inner().select(is_morning() ? members.first(2) : members, connection);
  }
};

} // namespace

TEST_CASE("policy_wrapper passes on every call")
{
  policy_wrapper<policy_wrapper<noting>> policy;
  const auto all = cohort_test::ready_members(3);
  policy.on_join(all[0]);
  policy.on_change(all, 1);
  CHECK(policy.select(all, connection_info({}, 77, {})) == 2);
  policy.on_taken(all[1]);
  policy.on_released(all[2]);
  policy.on_leave(all[0]);
  CHECK(
      policy.inner().inner().notes == std::vector<std::string>{"join 1000", "change of 3: 999",
                                          "select 77", "taken 999", "released 998", "leave 1000"});
  CHECK(policy.patience() == 70ms);
  CHECK(policy.distribution() == cohort::distribution::by_kernel);
  const std::byte some[3] = {};
  CHECK(policy.enough(some));
  CHECK_FALSE(policy.enough({}));
  CHECK(policy.peek_time() == 80ms);
  CHECK(policy.on_overflow().how() == cohort::overflow::answer::reset);
}

TEST_CASE("what the inner policy does not want to hear is not said")
{
  policy_wrapper<round_robin> policy;
  const auto all = cohort_test::ready_members(2);
  policy.on_join(all[0]);
  policy.on_change(all, 1);
  policy.on_taken(all[1]);
  policy.on_released(all[1]);
  policy.on_leave(all[0]);
  CHECK(policy.select(all, connection_info()) == 0);
  CHECK(policy.select(all, connection_info()) == 1);
}

TEST_CASE("policy_wrapper has the inner policy that it is given")
{
  policy_wrapper<needs_argument> policy(needs_argument(7));
  CHECK(policy.inner().given == 7);
  policy.inner().given = 8;
  CHECK(std::as_const(policy).inner().given == 8);
}

TEST_CASE("in random walks a wrapped policy is as good as another one")
{
  cohort_test::check_walks([] { return policy_wrapper<round_robin>(); });
}

TEST_CASE("the documented wrapper shows the first two members only")
{
  mornings<round_robin> policy;
  const auto all = cohort_test::ready_members(5);
  for (std::size_t i = 0; i != 10; ++i) CHECK(policy.select(all, connection_info()) == i % 2);
}

TEST_CASE("a wrapper around a policy with a socket for each worker wants them, too")
{
  struct own : round_robin {
    bool own_sockets() const noexcept { return true; }
  };
  CHECK(cohort::detail::wants_own_sockets(policy_wrapper<own>()));
  CHECK_FALSE(cohort::detail::wants_own_sockets(policy_wrapper<round_robin>()));
}

} // namespace wrapper_test
