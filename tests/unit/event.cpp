// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/event.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <type_traits>

namespace event_test {

namespace {

template <class Event>
constexpr bool is_about_a_worker = std::derived_from<Event, cohort::worker_event>;

static_assert(is_about_a_worker<cohort::fork_event>);
static_assert(is_about_a_worker<cohort::online_event>);
static_assert(is_about_a_worker<cohort::listening_event>);
static_assert(is_about_a_worker<cohort::disconnect_event>);
static_assert(is_about_a_worker<cohort::exit_event>);
static_assert(is_about_a_worker<cohort::error_event>);
static_assert(!is_about_a_worker<cohort::setup_event>);

// A wait that fails gives an empty event, and a mailbox copies and moves them.
static_assert(std::regular<cohort::exit_status>);
static_assert(std::is_default_constructible_v<cohort::detail::any_event>);
static_assert(std::is_copy_constructible_v<cohort::detail::any_event>);

} // namespace

TEST_CASE("an event is about nobody before it is filled")
{
  const cohort::exit_event event;
  CHECK(event.worker == 0);
  CHECK(event.pid == 0);
  CHECK_FALSE(event.voluntary);
  CHECK_FALSE(event.status.known());
}

TEST_CASE("an event passes through the variant with all that it holds")
{
  cohort::listening_event event;
  event.worker = 3;
  event.pid = 42;
  event.type = cohort::address_type::tcp6;
  event.address = "::1";
  event.port = 80;
  const cohort::detail::any_event any = event;
  const auto* const found = std::get_if<cohort::listening_event>(&any);
  REQUIRE(found);
  CHECK(found->worker == 3);
  CHECK(found->pid == 42);
  CHECK(found->type == cohort::address_type::tcp6);
  CHECK(found->address == "::1");
  CHECK(found->port == 80);
}

} // namespace event_test
