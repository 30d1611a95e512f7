// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/self_beats.hpp>

#include "support/event_loop.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace self_beats_test {

using namespace std::chrono_literals;
using namespace cohort::detail;

namespace {

struct noted_core {
  void tell(const wire::beat& message) { lags.push_back(message.lag); }

  std::vector<std::uint32_t> lags;
};

} // namespace

TEST_CASE("a sign of life comes again and again, until none is wanted")
{
  asio::io_context context(1);
  self_beats beats(context.get_executor());
  const auto core = std::make_shared<noted_core>();
  beats.begin(core, 1ms);
  CHECK(cohort_test::run_until(context, [&] { return core->lags.size() == 3; }));
  beats.end();
  cohort_test::run_ready(context);
  CHECK(context.stopped());
  CHECK(core.use_count() == 1);
}

TEST_CASE("a sign of life tells how late it is, and the next ones do not come at once")
{
  asio::io_context context(1);
  self_beats beats(context.get_executor());
  const auto core = std::make_shared<noted_core>();
  beats.begin(core, 10ms);
  const auto begin = std::chrono::steady_clock::now();
  // The loop has something else to do.
  while (std::chrono::steady_clock::now() - begin < 60ms) {
  }
  cohort_test::run_ready(context);
  REQUIRE(core->lags.size() == 1);
  CHECK(core->lags[0] >= 50'000);
  beats.end();
  cohort_test::run_ready(context);
}

TEST_CASE("none comes after the end, even if it was on its way already")
{
  asio::io_context context(1);
  self_beats beats(context.get_executor());
  const auto core = std::make_shared<noted_core>();
  // The context finds that the time has come, and puts it behind the end.
  asio::post(context, [&] {
    beats.begin(core, 1ms);
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < 10ms) {
    }
    asio::post(context, [&] { beats.end(); });
  });
  context.run_for(1s);
  CHECK(context.stopped());
  CHECK(core->lags.empty());
  CHECK(core.use_count() == 1);
}

TEST_CASE("who is told may end it")
{
  struct ending_core {
    void tell(const wire::beat&) { beats->end(); }
    self_beats* beats;
  };
  asio::io_context context(1);
  self_beats beats(context.get_executor());
  beats.begin(std::make_shared<ending_core>(ending_core{&beats}), 1ms);
  context.run_for(10s);
  CHECK(context.stopped());
}

TEST_CASE("another interval takes the place of the one before")
{
  asio::io_context context(1);
  self_beats beats(context.get_executor());
  const auto core = std::make_shared<noted_core>();
  beats.begin(core, 1h);
  beats.begin(core, 1ms);
  CHECK(cohort_test::run_until(context, [&] { return core->lags.size() == 1; }));
  beats.end();
  cohort_test::run_ready(context);
  CHECK(core.use_count() == 1);
}

} // namespace self_beats_test
