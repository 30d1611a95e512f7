// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/policy.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace policy_test {

using cohort::candidate;
using cohort::connection_info;
using cohort::distribution;
using cohort::leaves_to_kernel;
using cohort::scheduling_policy;
using cohort::detail::check_hooks;
using cohort::detail::distribution_of;
using cohort::detail::wants_own_sockets;

namespace {

// The example in the documentation of `scheduling_policy`.
struct fewest_connections {
  std::size_t select(
      std::span<const cohort::candidate> members, const cohort::connection_info&) noexcept
  {
    std::size_t best = cohort::wait;
    for (std::size_t i = 0; i != members.size(); ++i)
      if (members[i].ready() &&
          (best == cohort::wait || members[i].connections < members[best].connections))
        best = i;
    return best;
  }
};

struct no_select {};

struct selects_nothing {
  void select(std::span<const candidate>, const connection_info&) {}
};

struct move_only : fewest_connections {
  std::unique_ptr<int> state;
};

struct with_hooks : fewest_connections {
  void on_join(const candidate&) {}
  void on_leave(const candidate&) {}
  void on_taken(const candidate&) {}
  void on_released(const candidate&) {}
};

struct by_kernel : fewest_connections {
  static constexpr cohort::distribution distribution() { return cohort::distribution::by_kernel; }
};

struct decides_when_made : fewest_connections {
  cohort::distribution distribution() const { return chosen; }
  cohort::distribution chosen = cohort::distribution::by_kernel;
};

static_assert(scheduling_policy<fewest_connections>);
static_assert(scheduling_policy<with_hooks>);
static_assert(scheduling_policy<by_kernel>);
static_assert(!scheduling_policy<no_select>);
static_assert(!scheduling_policy<selects_nothing>);
static_assert(!scheduling_policy<move_only>);
static_assert(!scheduling_policy<int>);

static_assert(check_hooks<fewest_connections>());
static_assert(check_hooks<with_hooks>());
static_assert(check_hooks<by_kernel>());
static_assert(check_hooks<decides_when_made>());

struct looks : fewest_connections {
  static constexpr int peek = 16;
  bool enough(std::span<const std::byte> first_bytes) const { return first_bytes.size() > 1; }
  std::chrono::milliseconds peek_time() const { return std::chrono::milliseconds(10); }
};

static_assert(check_hooks<looks>());
static_assert(cohort::peek_of<looks> == 16);
static_assert(cohort::peek_of<fewest_connections> == 0);

struct says_by_primary : fewest_connections {
  constexpr cohort::distribution distribution() const { return cohort::distribution::by_primary; }
};

struct kernel_alone {
  static constexpr cohort::distribution distribution() { return cohort::distribution::by_kernel; }
};
struct nobody {
  static constexpr cohort::distribution distribution() { return cohort::distribution::by_primary; }
};
struct with_own_sockets : kernel_alone {
  static constexpr bool own_sockets() { return true; }
};

static_assert(leaves_to_kernel<by_kernel>);
static_assert(leaves_to_kernel<kernel_alone>);
static_assert(!leaves_to_kernel<says_by_primary>);
static_assert(!leaves_to_kernel<decides_when_made>);
static_assert(!leaves_to_kernel<fewest_connections>);
static_assert(scheduling_policy<kernel_alone>);
static_assert(!scheduling_policy<nobody>);

static_assert(wants_own_sockets(with_own_sockets()));
static_assert(!wants_own_sockets(kernel_alone()));
static_assert(!wants_own_sockets(fewest_connections()));

static_assert(distribution_of(fewest_connections()) == distribution::by_primary);
static_assert(distribution_of(by_kernel()) == distribution::by_kernel);

} // namespace

TEST_CASE("the documented policy chooses among ready members only")
{
  std::vector<candidate> members = {candidate(1), candidate(2), candidate(3)};
  for (candidate& m : members) m.window = 2;
  members[0].connections = 5;
  members[1].connections = 1;
  members[2].connections = 3;
  fewest_connections policy;
  CHECK(policy.select(members, connection_info()) == 1);
  members[1].offers = 2;
  CHECK(policy.select(members, connection_info()) == 2);
  for (candidate& m : members) m.window = 0;
  CHECK(policy.select(members, connection_info()) == cohort::wait);
}

TEST_CASE("a policy may decide who accepts when it is made")
{
  decides_when_made policy;
  CHECK(distribution_of(policy) == distribution::by_kernel);
  policy.chosen = distribution::by_primary;
  CHECK(distribution_of(policy) == distribution::by_primary);
}

} // namespace policy_test
