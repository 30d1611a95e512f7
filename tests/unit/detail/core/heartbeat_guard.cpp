// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/heartbeat_guard.hpp>

#include "support/event_loop.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <vector>

namespace heartbeat_guard_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using step = heartbeat_step;

namespace {

struct guarded : std::enable_shared_from_this<guarded> {
  guarded(asio::io_context& context, const cohort::settings& how)
      : guard(context.get_executor(), how)
  {
  }

  void silence(heartbeat_step what) { steps.push_back(what); }

  heartbeat_guard guard;
  std::vector<heartbeat_step> steps;
};

} // namespace

TEST_CASE("one who is silent is stalled, aborted and killed, and then nothing is waited for")
{
  asio::io_context context(1);
  const auto one =
      std::make_shared<guarded>(context, cohort::settings().heartbeat(2ms, 3).kill_grace(1ms));
  CHECK(one->guard.interval() == 2);
  one->guard.begin(one);
  CHECK(cohort_test::run_until(context, [&] { return one->steps.size() == 3; }));
  CHECK(one->steps == std::vector<step>{step::stalled, step::abort, step::kill});
  cohort_test::run_ready(context);
  CHECK(context.stopped());
  CHECK(one.use_count() == 1);
}

TEST_CASE("one who is heard again recovers")
{
  asio::io_context context(1);
  const auto one = std::make_shared<guarded>(context, cohort::settings().heartbeat(2ms));
  one->guard.begin(one);
  CHECK(cohort_test::run_until(context, [&] { return !one->steps.empty(); }));
  CHECK(one->guard.is_stalled());
  one->guard.beat(one);
  CHECK_FALSE(one->guard.is_stalled());
  CHECK(one->steps == std::vector<step>{step::stalled, step::recovered});
  one->guard.end();
  cohort_test::run_ready(context);
  CHECK(one.use_count() == 1);
}

TEST_CASE("without an interval nobody is watched")
{
  asio::io_context context(1);
  const auto one = std::make_shared<guarded>(context, cohort::settings());
  one->guard.begin(one);
  one->guard.beat(one);
  CHECK(context.run_for(5ms) == 0);
  CHECK(one->steps.empty());
  CHECK(one.use_count() == 1);
}

} // namespace heartbeat_guard_test
