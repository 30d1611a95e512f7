// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/scheduling/any_policy.hpp>

#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/scheduling/sticky.hpp>
#include <cohort/scheduling/when_full.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

namespace any_policy_test {

using cohort::any_policy;
using cohort::candidate;
using cohort::connection_info;

namespace {

// Notes, in a place that its copies share.
struct noted {
  std::shared_ptr<std::string> notes = std::make_shared<std::string>();
  std::size_t turn = 0;

  std::size_t select(std::span<const candidate> members, const connection_info&) noexcept
  {
    return turn++ % members.size();
  }
  void on_join(const candidate&) noexcept { *notes += 'j'; }
  void on_leave(const candidate&) noexcept { *notes += 'l'; }
  void on_taken(const candidate&) noexcept { *notes += 't'; }
  void on_released(const candidate&) noexcept { *notes += 'r'; }
  void on_change(std::span<const candidate>, std::size_t) noexcept { *notes += 'c'; }
};

std::vector<candidate> ready(cohort::worker_id count)
{
  std::vector<candidate> members;
  for (cohort::worker_id id = 1; id <= count; ++id) {
    members.emplace_back(id);
    members.back().joined = id;
    members.back().window = 4;
  }
  return members;
}

} // namespace

TEST_CASE("any policy is round_robin unless it is given another one")
{
  any_policy policy;
  const auto members = ready(3);
  for (std::size_t i = 0; i != 6; ++i) CHECK(policy.select(members, connection_info()) == i % 3);
  CHECK(policy.distribution() == cohort::distribution::by_primary);
  CHECK_FALSE(policy.own_sockets());
}

TEST_CASE("every hook is passed on to the policy that is held")
{
  noted inner;
  const auto notes = inner.notes;
  any_policy policy(inner);
  const auto members = ready(2);
  policy.on_join(members[0]);
  policy.on_change(members, 0);
  policy.on_taken(members[0]);
  policy.on_released(members[0]);
  policy.on_leave(members[0]);
  CHECK(*notes == "jctrl");
}

TEST_CASE("copies have states of their own")
{
  any_policy first((noted()));
  const auto members = ready(3);
  CHECK(first.select(members, connection_info()) == 0);
  any_policy second = first;
  CHECK(second.select(members, connection_info()) == 1);
  CHECK(second.select(members, connection_info()) == 2);
  CHECK(first.select(members, connection_info()) == 1);
  second = first;
  CHECK(second.select(members, connection_info()) == 2);
}

TEST_CASE("patience and who accepts are those of the policy that is held")
{
  CHECK(any_policy(cohort::sticky().patience(std::chrono::seconds(3))).patience() ==
        std::chrono::seconds(3));
  CHECK(any_policy(cohort::least_connections()).patience() == std::chrono::seconds(5));
  const any_policy shared((cohort::shared()));
  CHECK(shared.distribution() == cohort::distribution::by_kernel);
  CHECK_FALSE(shared.own_sockets());
  const any_policy reuse_port((cohort::reuse_port()));
  CHECK(reuse_port.distribution() == cohort::distribution::by_kernel);
  CHECK(reuse_port.own_sockets());
}

TEST_CASE("what becomes of connections without room is as the policy says that is held")
{
  CHECK(any_policy().on_overflow().how() == cohort::overflow::answer::queue);
  const any_policy told(cohort::when_full<cohort::round_robin>(cohort::overflow::refuse("busy")));
  CHECK(told.on_overflow().bytes() == "busy");
}

TEST_CASE("where the kernel chooses, what it gave to nobody goes to who was offered least")
{
  any_policy policy((cohort::shared()));
  auto members = ready(3);
  members[0].offers = 2;
  members[1].offers = 1;
  members[2].window = 0;
  CHECK(policy.select(members, connection_info()) == 1);
}

} // namespace any_policy_test
