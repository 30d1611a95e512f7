// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/waiting_limits.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace waiting_limits_test {

using namespace std::chrono_literals;
using cohort::connection_info;
using cohort::overflow;
using cohort::detail::waiting_limits;

namespace {

const connection_info::clock::time_point start(1h);
const connection_info connection({}, 0, start);

} // namespace

TEST_CASE("a connection is overdue when the policy's patience is over")
{
  const waiting_limits limits(5s, overflow());
  CHECK_FALSE(limits.is_overdue(connection, start + 5s - 1ns));
  CHECK(limits.is_overdue(connection, start + 5s));
  CHECK(limits.overdue_at(connection) == start + 5s);
}

TEST_CASE("a patience without end, or less than none, can be reckoned with")
{
  using clock = waiting_limits::clock;
  CHECK(waiting_limits(clock::duration::max(), overflow()).overdue_at(connection) > start + 1h);
  CHECK(waiting_limits(-1s, overflow()).overdue_at(connection) == start);
  const waiting_limits never(5s, overflow::reset().after(clock::duration::max()));
  CHECK_FALSE(never.has_overflowed(true, start, start + 1000h));
}

TEST_CASE("unless something is said of it, the kernel keeps who has no room, for ever")
{
  const waiting_limits limits(5s, overflow());
  CHECK(limits.without_room(true) == 0);
  CHECK_FALSE(limits.overflows_at(true, start));
  CHECK_FALSE(limits.has_overflowed(true, start, start + 1000h));
}

TEST_CASE("otherwise so many wait for room, for a time of their own")
{
  const waiting_limits limits(5s, overflow::reset().after(2s).limit(7));
  CHECK(limits.without_room(true) == 7);
  CHECK(limits.in_force(true).how() == overflow::answer::reset);
  CHECK(limits.overflows_at(true, start) == start + 2s);
  CHECK_FALSE(limits.has_overflowed(true, start, start + 2s - 1ns));
  CHECK(limits.has_overflowed(true, start, start + 2s));
}

TEST_CASE("while there is no member something else holds, nothing unless said")
{
  waiting_limits limits(5s, overflow::reset().after(2s).limit(7));
  CHECK(limits.without_room(false) == 0);
  CHECK_FALSE(limits.overflows_at(false, start));
  CHECK_FALSE(limits.has_overflowed(false, start, start + 1000h));
  limits.set_unserved(overflow::refuse("gone").after(3s).limit(9));
  CHECK(limits.without_room(false) == 9);
  CHECK(limits.in_force(false).bytes() == "gone");
  CHECK(limits.overflows_at(false, start) == start + 3s);
  CHECK_FALSE(limits.has_overflowed(false, start, start + 3s - 1ns));
  CHECK(limits.has_overflowed(false, start, start + 3s));
  CHECK(limits.without_room(true) == 7);
  CHECK(limits.overflows_at(true, start) == start + 2s);
}

} // namespace waiting_limits_test
