// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/stdio.hpp>

#include <doctest/doctest.h>

#include <stdexcept>

namespace stdio_test {

using cohort::stdio;

TEST_CASE("a stream says where it comes from")
{
  CHECK(stdio::inherit().from() == stdio::source::inherit);
  CHECK(stdio::null().from() == stdio::source::null);
  CHECK(stdio::pipe().from() == stdio::source::pipe);
  CHECK(stdio::descriptor(7).from() == stdio::source::descriptor);
}

TEST_CASE("only a descriptor has a number")
{
  CHECK(stdio::descriptor(0).number() == 0);
  CHECK(stdio::descriptor(7).number() == 7);
  for (const stdio& each : {stdio::inherit(), stdio::null(), stdio::pipe()})
    CHECK(each.number() == -1);
  CHECK_THROWS_AS(stdio::descriptor(-1), std::invalid_argument);
}

TEST_CASE("streams that are said alike are equal")
{
  CHECK(stdio::pipe() == stdio::pipe());
  CHECK(stdio::pipe() != stdio::null());
  CHECK(stdio::descriptor(7) == stdio::descriptor(7));
  CHECK(stdio::descriptor(7) != stdio::descriptor(8));
}

} // namespace stdio_test
