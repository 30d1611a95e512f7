// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/scaling.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace scaling_state_test {

using namespace std::chrono_literals;
using cohort::detail::scaling;

namespace {

struct scaling_test {
  // What there is to be when the rule wants so many, a second after it was asked last.
  unsigned ask(unsigned wanted)
  {
    now += 1s;
    return count = state.decide(wanted, count, now);
  }

  scaling state{2, 8, 3s};
  scaling::time now{1h};
  unsigned count = 4;
};

} // namespace

TEST_CASE("more workers are wanted at once, up to the most")
{
  scaling_test test;
  CHECK(test.ask(4) == 4);
  CHECK(test.ask(6) == 6);
  CHECK(test.ask(100) == 8);
}

TEST_CASE("fewer are wanted for a while before there are fewer, down to the least")
{
  scaling_test test;
  CHECK(test.ask(3) == 4);
  CHECK(test.ask(3) == 4);
  CHECK(test.ask(3) == 4);
  CHECK(test.ask(3) == 3);
  CHECK(test.ask(0) == 3);
  CHECK(test.ask(0) == 3);
  CHECK(test.ask(0) == 3);
  CHECK(test.ask(0) == 2);
  for (int more = 0; more != 10; ++more) CHECK(test.ask(0) == 2);
}

TEST_CASE("a group shrinks to the most that was wanted meanwhile")
{
  scaling_test test;
  test.count = 8;
  CHECK(test.ask(2) == 8);
  CHECK(test.ask(5) == 8);
  CHECK(test.ask(2) == 8);
  CHECK(test.ask(3) == 5);
  // What was wanted before that does not count again.
  CHECK(test.ask(2) == 5);
  CHECK(test.ask(2) == 5);
  CHECK(test.ask(2) == 5);
  CHECK(test.ask(2) == 2);
}

TEST_CASE("who needs all of them again begins the wait anew")
{
  scaling_test test;
  for (int times = 0; times != 5; ++times) {
    CHECK(test.ask(2) == 4);
    CHECK(test.ask(2) == 4);
    CHECK(test.ask(2) == 4);
    CHECK(test.ask(4) == 4);
  }
  CHECK(test.ask(2) == 4);
  test.state.forget();
  test.now += 1h;
  CHECK(test.ask(2) == 4);
}

TEST_CASE("a number that somebody else has set is brought within the bounds")
{
  scaling_test test;
  test.count = 20;
  CHECK(test.ask(20) == 8);
  test.count = 0;
  CHECK(test.ask(0) == 2);
}

TEST_CASE("without a cooldown a group follows its rule")
{
  scaling state(1, 8, 0s);
  CHECK(state.decide(3, 5, scaling::time(1h)) == 3);
}

} // namespace scaling_state_test
