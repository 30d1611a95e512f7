// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/overflow.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>

namespace overflow_test {

using cohort::overflow;
using namespace std::chrono_literals;

TEST_CASE("unless said, connections wait")
{
  CHECK(overflow().how() == overflow::answer::queue);
  CHECK(overflow::queue().how() == overflow::answer::queue);
}

TEST_CASE("an answer has its bytes, and a moment before it")
{
  const overflow told = overflow::refuse("busy").after(50ms).limit(7);
  CHECK(told.how() == overflow::answer::refuse);
  CHECK(told.bytes() == "busy");
  CHECK(told.after() == 50ms);
  CHECK(told.limit() == 7);
  overflow reset = overflow::reset();
  CHECK(reset.how() == overflow::answer::reset);
  CHECK(reset.after() == 1s);
  CHECK(reset.limit() == 256);
  reset.after(2s).limit(3);
  CHECK(reset.after() == 2s);
  CHECK(reset.limit() == 3);
}

TEST_CASE("what makes no sense is the nearest thing that does, or an exception")
{
  CHECK(overflow::reset().after(-1s).after() == 0s);
  CHECK(overflow::reset().after(overflow::duration::max()).after() == overflow::longest);
  CHECK(overflow::reset().limit(0).limit() == 1);
  CHECK_NOTHROW(overflow::refuse(std::string(overflow::max_bytes, 'x')));
  CHECK_THROWS_AS(overflow::refuse(std::string(overflow::max_bytes + 1, 'x')), std::length_error);
}

} // namespace overflow_test
