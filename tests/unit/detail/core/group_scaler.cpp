// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/group_scaler.hpp>

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>

namespace group_scaler_test {

using namespace std::chrono_literals;
using cohort::detail::group_scaler;

namespace {

struct scaled {
  scaled(asio::io_context& context, const std::optional<cohort::autoscale>& how)
      : scaler(context.get_executor(), how)
  {
  }

  void scale()
  {
    ++times;
    if (times == 3) scaler.end();
  }

  int times = 0;
  group_scaler scaler;
};

unsigned two(const cohort::group_metrics&) { return 2; }

} // namespace

TEST_CASE("a group looks again and again, until that is ended")
{
  asio::io_context context(1);
  const auto group =
      std::make_shared<scaled>(context, cohort::autoscale(1, 4, two).interval(1ms).cooldown(0s));
  group->scaler.begin(group);
  CHECK(group->times == 0);
  // The context has nothing to do then.
  context.run_for(10s);
  CHECK(context.stopped());
  CHECK(group->times == 3);
  cohort::group_metrics metrics;
  metrics.workers = 3;
  CHECK(group->scaler.decide(metrics) == 2);
}

TEST_CASE("a group without a rule never looks")
{
  asio::io_context context(1);
  const auto group = std::make_shared<scaled>(context, std::nullopt);
  group->scaler.begin(group);
  group->scaler.forget();
  CHECK(context.run_for(0s) == 0);
  CHECK(group->times == 0);
}

} // namespace group_scaler_test
