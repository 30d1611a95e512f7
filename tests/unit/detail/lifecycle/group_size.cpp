// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/group_size.hpp>

#include <doctest/doctest.h>

namespace group_size_test {

using cohort::group;
using cohort::detail::group_size;

TEST_CASE("a number grows and shrinks by one, within its bounds")
{
  const group_size size(2, 4);
  CHECK(size.grown(3) == 4);
  CHECK(size.grown(4) == 4);
  CHECK(size.grown(9) == 9);
  CHECK(size.shrunk(3) == 2);
  CHECK(size.shrunk(2) == 2);
  CHECK(size.shrunk(0) == 0);
  CHECK(size.shrunk(9) == 8);
}

TEST_CASE("without bounds a server is scaled, and nobody else")
{
  const group server = group("web").listen(asio::ip::tcp::endpoint(asio::ip::tcp::v4(), 8000));
  const auto size = group_size::of(server, 3);
  CHECK(size.shrunk(1) == 1);
  CHECK(size.grown(11) == 12);
  CHECK(size.grown(12) == 12);
  CHECK(group_size::of(server, 0).grown(0) == 1);
  const auto daemon = group_size::of(group("daemon"), 3);
  CHECK(daemon.grown(3) == 3);
  CHECK(daemon.shrunk(3) == 3);
}

TEST_CASE("bounds say what signals may do, and a rule that they may do nothing")
{
  const auto said = group_size::of(group("few").scalable(2, 3), 9);
  CHECK(said.grown(2) == 3);
  CHECK(said.grown(3) == 3);
  CHECK(said.shrunk(2) == 2);
  const cohort::autoscale rule(1, 9, cohort::connections_per_worker(5));
  const auto scaled = group_size::of(group("few").scalable(2, 3).autoscale(rule), 2);
  CHECK(scaled.grown(2) == 2);
  CHECK(scaled.shrunk(3) == 3);
}

TEST_CASE("what rests has as many as before when it is woken, once")
{
  group_size size(1, 4);
  CHECK_FALSE(size.rests());
  CHECK_FALSE(size.wake());
  size.rest(3);
  size.rest(0);
  CHECK(size.rests());
  CHECK(size.wake() == 3U);
  CHECK_FALSE(size.rests());
  CHECK_FALSE(size.wake());
}

} // namespace group_size_test
