// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/policy_calls.hpp>

#include <cohort/detail/lifecycle/scheduled_members.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <type_traits>
#include <vector>

namespace policy_calls_test {

using cohort::candidate;
using cohort::connection_info;
using cohort::detail::policy_calls;
using namespace std::chrono_literals;

namespace {

struct bare {
  std::size_t select(std::span<const candidate>, const connection_info&) noexcept { return result; }
  std::size_t result = 0;
};

struct hooked : bare {
  void on_join(const candidate& member) { note("join", member); }
  void on_leave(const candidate& member) { note("leave", member); }
  void on_taken(const candidate& member) { note("taken", member); }
  void on_released(const candidate& member) { note("released", member); }
  void on_change(std::span<const candidate> members, std::size_t index)
  {
    note("change", members[index]);
  }
  std::chrono::milliseconds patience() const { return 7ms; }
  std::chrono::milliseconds peek_time() const { return 8ms; }
  bool enough(std::span<const std::byte> first_bytes) const { return first_bytes.size() == 2; }
  cohort::overflow on_overflow() const { return cohort::overflow::refuse("no"); }

  void note(const std::string& what, const candidate& member)
  {
    notes.push_back(what + std::to_string(member.id));
  }
  std::vector<std::string> notes;
};

std::vector<candidate> three_ready()
{
  std::vector<candidate> all;
  for (cohort::worker_id id = 1; id <= 3; ++id) {
    all.emplace_back(id);
    all.back().window = 1;
  }
  return all;
}

template <class Policy>
void call_all(policy_calls<Policy>& policy)
{
  const auto all = three_ready();
  policy.joined(all[0]);
  policy.leaves(all[1]);
  policy.took(all[2]);
  policy.released(all[0]);
  policy.changed(all, 1);
}

} // namespace

TEST_CASE("a policy without a state costs nothing")
{
  struct stateless {
    std::size_t select(std::span<const candidate>, const connection_info&) noexcept { return 0; }
  };
  CHECK(std::is_empty_v<policy_calls<stateless>>);
  CHECK(sizeof(cohort::detail::scheduled_members<int, stateless>) ==
        sizeof(cohort::detail::member_table<int>));
}

TEST_CASE("hooks that are there are called, and none need be there")
{
  policy_calls<hooked> with((hooked()));
  call_all(with);
  CHECK(with.get().notes ==
        std::vector<std::string>{"join1", "leave2", "taken3", "released1", "change2"});
  policy_calls<bare> without((bare()));
  call_all(without);
}

TEST_CASE("a connection may wait for five seconds, or as long as the policy says")
{
  CHECK(policy_calls<bare>(bare()).patience() == 5s);
  CHECK(policy_calls<hooked>(hooked()).patience() == 7ms);
}

TEST_CASE("first bytes are waited for until there are any, or enough, and not for ever")
{
  const std::byte some[2] = {};
  const std::span<const std::byte> two = some;
  const policy_calls<bare> without((bare()));
  CHECK(without.peek_time() == 1s);
  CHECK_FALSE(without.enough({}));
  CHECK(without.enough(two.first(1)));
  const policy_calls<hooked> with((hooked()));
  CHECK(with.peek_time() == 8ms);
  CHECK_FALSE(with.enough(two.first(1)));
  CHECK(with.enough(two));
}

TEST_CASE("who has no room is queued for, unless the policy says otherwise")
{
  CHECK(policy_calls<bare>(bare()).on_overflow().how() == cohort::overflow::answer::queue);
  CHECK(policy_calls<hooked>(hooked()).on_overflow().bytes() == "no");
}

TEST_CASE("what the policy selects is a member that is ready, or wait")
{
  auto all = three_ready();
  CHECK(policy_calls<bare>(bare{2}).select(all, connection_info()) == 2);
  CHECK(policy_calls<bare>(bare{cohort::wait}).select(all, connection_info()) == cohort::wait);
}

} // namespace policy_calls_test
