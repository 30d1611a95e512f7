// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/async/lease.hpp>

#include <doctest/doctest.h>

#include <type_traits>

namespace lease_test {

using cohort::detail::lease;

namespace {

struct counting_lessor final : cohort::detail::lessor {
  void lease_ended() noexcept override { ++ended; }
  int ended = 0;
};

static_assert(!std::is_copy_constructible_v<lease>);
static_assert(!std::is_copy_assignable_v<lease>);
static_assert(std::is_nothrow_move_constructible_v<lease>);
static_assert(std::is_nothrow_move_assignable_v<lease>);

} // namespace

TEST_CASE("a lease ends with its holder")
{
  const auto owner = std::make_shared<counting_lessor>();
  {
    const lease held(owner);
    CHECK(held);
    CHECK(owner->ended == 0);
  }
  CHECK(owner->ended == 1);
}

TEST_CASE("a lease ends once")
{
  const auto owner = std::make_shared<counting_lessor>();
  {
    lease held(owner);
    held.end();
    CHECK(owner->ended == 1);
    CHECK_FALSE(held);
    held.end();
  }
  CHECK(owner->ended == 1);
}

TEST_CASE("a moved lease ends with its last holder")
{
  const auto owner = std::make_shared<counting_lessor>();
  {
    lease first(owner);
    lease second(std::move(first));
    CHECK_FALSE(first);
    CHECK(second);
    CHECK(owner->ended == 0);
  }
  CHECK(owner->ended == 1);
}

TEST_CASE("a lease that is assigned over ends")
{
  const auto first = std::make_shared<counting_lessor>();
  const auto second = std::make_shared<counting_lessor>();
  lease held(first);
  held = lease(second);
  CHECK(first->ended == 1);
  CHECK(second->ended == 0);
  held = lease();
  CHECK(second->ended == 1);
}

TEST_CASE("a lease that is moved into itself goes on")
{
  const auto owner = std::make_shared<counting_lessor>();
  lease held(owner);
  lease& same = held;
  held = std::move(same);
  CHECK(held);
  CHECK(owner->ended == 0);
}

TEST_CASE("the owner of a lease lives until it has been told")
{
  auto owner = std::make_shared<counting_lessor>();
  const std::weak_ptr<counting_lessor> watched = owner;
  lease held(std::move(owner));
  CHECK_FALSE(watched.expired());
  held.end();
  CHECK(watched.expired());
}

} // namespace lease_test
