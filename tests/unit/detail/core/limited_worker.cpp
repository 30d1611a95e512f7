// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/limited_worker.hpp>

#include "support/event_loop.hpp"
#include "support/sleeping_worker.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <system_error>
#include <variant>
#include <vector>

namespace limited_worker_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using cohort::retire_reason;
using cohort::settings;

namespace {

struct noted_cluster {
  void publish(const any_event& event)
  {
    if (const auto* const retire = std::get_if<cohort::retire_event>(&event)) {
      CHECK(retire->worker == 5);
      reasons.push_back(retire->reason);
    }
    CHECK_FALSE(std::holds_alternative<cohort::error_event>(event));
  }
  void ended(const cohort::exit_event&) {}

  std::vector<retire_reason> reasons;
};

struct idle_worker final : cohort_test::sleeping_worker<limited_worker<noted_cluster>> {
  using sleeping_worker::sleeping_worker;

  void set_weight(std::uint32_t) override {}
};

struct limited_test : cohort_test::cluster_of_one<idle_worker, noted_cluster> {
  using cluster_of_one::cluster_of_one;

  const std::vector<retire_reason>& reasons() const { return cluster.reasons; }
  // Waits for the first one.
  std::optional<retire_reason> reason()
  {
    until([this] { return !reasons().empty(); });
    return reasons().empty() ? std::nullopt : std::optional(reasons().front());
  }
};

} // namespace

TEST_CASE("a worker is to be replaced once, by its requests or because it asks")
{
  SUBCASE("requests first")
  {
    limited_test test(settings().max_requests(10));
    test.worker->come_ready();
    test.worker->hear(wire::served{9});
    CHECK(test.reasons().empty());
    test.worker->hear(wire::served{1});
    test.worker->hear(wire::served{1});
    test.worker->hear(wire::replace());
    CHECK(test.reasons() == std::vector{retire_reason::requests});
    CHECK(test.worker->requests() == 11);
  }
  SUBCASE("asked for, and any number of requests")
  {
    limited_test test{settings()};
    test.worker->come_ready();
    test.worker->hear(wire::served{0xffffffff});
    test.worker->hear(wire::served{0xffffffff});
    CHECK(test.worker->requests() == 0x1fffffffe);
    test.worker->hear(wire::replace());
    test.worker->hear(wire::replace());
    CHECK(test.reasons() == std::vector{retire_reason::asked});
  }
  SUBCASE("not when it is on its way out")
  {
    limited_test test(settings().max_requests(1));
    test.worker->come_ready();
    test.worker->drain();
    test.worker->hear(wire::served{1});
    CHECK(test.reasons().empty());
  }
}

TEST_CASE("a worker that has served for its time is to be replaced")
{
  limited_test test(settings().max_age(2ms));
  test.worker->come_ready();
  CHECK(test.reason() == retire_reason::age);
  // Nothing is waited for any more.
  cohort_test::run_ready(test.context);
  CHECK(test.worker.use_count() == 1);
}

TEST_CASE("a worker that uses more than it may is to be replaced")
{
  SUBCASE("memory")
  {
    limited_test test(settings().max_memory(1).usage_interval(1ms));
    test.worker->come_ready();
    CHECK(test.reason() == retire_reason::memory);
  }
  SUBCASE("descriptors")
  {
    limited_test test(settings().max_descriptors(2).usage_interval(1ms));
    test.worker->come_ready();
    CHECK(test.reason() == retire_reason::descriptors);
  }
}

TEST_CASE("what a worker uses while it comes up is seen, and is no reason to replace it")
{
  limited_test test(settings().max_memory(1).max_age(1ms));
  CHECK(test.worker->usage().memory);
  CHECK(test.worker->usage().descriptors);
  test.context.restart();
  test.context.run_for(20ms);
  CHECK(test.reasons().empty());
  test.worker->come_ready();
  CHECK(test.reason());
}

TEST_CASE("a worker that serves without saying so is limited as well")
{
  limited_test test(settings().max_age(1ms));
  test.worker->serves();
  CHECK(test.reason() == retire_reason::age);
}

TEST_CASE("a worker that drains is not to be replaced, and one without limits is not looked at")
{
  limited_test drains(settings().max_age(1ms).max_memory(1));
  drains.worker->drain();
  drains.worker->come_ready();
  limited_test free{settings().max_requests(3)};
  free.worker->come_ready();
  for (limited_test* const each : {&drains, &free}) {
    CHECK(each->worker.use_count() == 1);
    each->context.restart();
    each->context.run_for(20ms);
    CHECK(each->reasons().empty());
  }
}

TEST_CASE("nothing is waited for once a worker has ended")
{
  limited_test test(settings().max_age(1h));
  test.worker->come_ready();
  CHECK(test.worker.use_count() == 2);
  std::error_code error;
  test.worker->kill(SIGKILL, error);
  CHECK(test.until([&] { return test.worker->state().is_dead(); }));
  cohort_test::run_ready(test.context);
  CHECK(test.worker.use_count() == 1);
}

TEST_CASE("what is known of a worker's use is as old as it may be, and stays after its end")
{
  const settings how = settings().usage_interval(1h);
  limited_test test(how);
  const io::process_usage first = test.worker->usage();
  CHECK(first.memory);
  std::error_code error;
  test.worker->kill(SIGKILL, error);
  CHECK(test.until([&] { return test.worker->state().is_dead(); }));
  CHECK(test.worker->usage().memory == first.memory);
  CHECK(test.worker->usage().descriptors == first.descriptors);
}

} // namespace limited_worker_test
