// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/drain_steps.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace drain_steps_test {

using namespace std::chrono_literals;
using cohort::drain_steps;

TEST_CASE("unless said, a drain gives the idle half a second and the rest ten")
{
  const drain_steps steps;
  CHECK(steps.idle_grace() == 500ms);
  CHECK(steps.fresh_grace() == 1s);
  CHECK(steps.total() == 8s);
  CHECK(steps.terminal() == 9s);
  CHECK(steps.deadline() == 10s);
}

TEST_CASE("each step can be set, in one expression or one after the other")
{
  const auto steps =
      drain_steps().idle_grace(1ms).fresh_grace(2ms).total(3ms).terminal(4ms).deadline(5ms);
  CHECK(steps.idle_grace() == 1ms);
  CHECK(steps.fresh_grace() == 2ms);
  CHECK(steps.total() == 3ms);
  CHECK(steps.terminal() == 4ms);
  CHECK(steps.deadline() == 5ms);
  drain_steps more;
  more.deadline(1s);
  more.idle_grace(0ms).fresh_grace(1ms).total(2ms).terminal(3ms);
  CHECK(more.idle_grace() == 0ms);
  CHECK(more.fresh_grace() == 1ms);
  CHECK(more.total() == 2ms);
  CHECK(more.terminal() == 3ms);
  CHECK(more.deadline() == 1s);
}

TEST_CASE("steps that are not set follow the deadline")
{
  const auto steps = drain_steps().deadline(100ms);
  CHECK(steps.total() == 80ms);
  CHECK(steps.terminal() == 90ms);
}

TEST_CASE("no step comes later than the one that follows it")
{
  CHECK(drain_steps().total(20s).total() == 9s);
  CHECK(drain_steps().terminal(20s).terminal() == 10s);
  const auto early = drain_steps().terminal(1s);
  CHECK(early.total() == 1s);
  CHECK(early.deadline() == 10s);
  const auto at_once = drain_steps().deadline(0s);
  CHECK(at_once.total() == 0s);
  CHECK(at_once.terminal() == 0s);
}

TEST_CASE("never is a year, and the past is now")
{
  const auto never = drain_steps().deadline(drain_steps::duration::max());
  CHECK(never.deadline() == 24h * 365);
  CHECK(never.terminal() > 24h * 300);
  const auto past = drain_steps().deadline(-1s).idle_grace(drain_steps::duration::min());
  CHECK(past.deadline() == 0s);
  CHECK(past.idle_grace() == 0s);
}

} // namespace drain_steps_test
