// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/group_size.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <utility>

namespace group_size_test {

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
  const auto server = group_size::of(std::nullopt, true, 3);
  CHECK(server.shrunk(1) == 1);
  CHECK(server.grown(11) == 12);
  CHECK(server.grown(12) == 12);
  CHECK(group_size::of(std::nullopt, true, 0).grown(0) == 1);
  const auto daemon = group_size::of(std::nullopt, false, 3);
  CHECK(daemon.grown(3) == 3);
  CHECK(daemon.shrunk(3) == 3);
  const auto said = group_size::of(std::pair(2U, 3U), false, 9);
  CHECK(said.grown(2) == 3);
  CHECK(said.grown(3) == 3);
  CHECK(said.shrunk(2) == 2);
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
