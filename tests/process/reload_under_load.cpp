// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers are replaced, by good ones and by bad ones, because they have served enough or because
// all ends, while clients ask and ask. Each request ends well.

#include "support/load_client.hpp"
#include "support/supervisor_fixture.hpp"

#include <cohort/scheduling/shared.hpp>

#include <asio/redirect_error.hpp>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

namespace reload_under_load_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using cohort::reload_options;
using cohort::reload_result;

namespace {

// A group of workers that serve such clients.
template <class Policy>
struct loaded_group : basic_supervisor_fixture<Policy> {
  loaded_group() = default;

  cohort::group web(unsigned workers)
  {
    const asio::ip::tcp::endpoint where(asio::ip::address_v4::loopback(), port.number());
    auto variables = role("load").set("COHORT_TEST_LISTEN", port.text());
    variables.set("COHORT_TEST_LOG", log);
    return cohort::group("web")
        .workers(workers)
        .settings(cohort::settings().env(variables))
        .listen(where);
  }

  address where() const { return address::tcp4(port.number()); }

  // All is well, in the eyes of the clients and of the servers.
  void expect_ok(load_report report)
  {
    report.compare(served_requests(log));
    CHECK_MESSAGE(report.not_ok() == 0, report.text());
  }

  kept_port port;
  std::string log = this->scratch.file("log");
};

// So that all of it takes no longer where everything takes longer.
unsigned scaled(unsigned number) { return std::max(1U, number / time_factor()); }

const reload_options& broken()
{
  static const reload_options options =
      reload_options().settings(cohort::settings().env(role("nobody")).silent(true));
  return options;
}

// Reloads so often, and goes on until there were so many requests.
template <class Policy>
void reload_under_load(connections kind, unsigned reloads, unsigned requests)
{
  loaded_group<Policy> test;
  test.master().add(test.web(2));
  test.begin();
  auto body = [&]() -> awaitable<void> {
    co_await test.serving("web", 2);
    load_client load(test.context, test.where(), 8, kind);
    load.start();
    unsigned generation = 0;
    while (generation < reloads || load.report().total() < requests) {
      co_await load.finished(requests / reloads / 2);
      const reload_result result = co_await test.master().reload("web", reload_options());
      CHECK(result.succeeded());
      CHECK(result.generation == ++generation);
      CHECK(test.master().workers("web").size() == 2);
    }
    co_await load.stop();
    test.expect_ok(load.report());
    CHECK(load.report().pids().size() >= 2 * reloads);
    co_await test.end();
  };
  test.run(body, 120s);
}

// Measures a worker, then limits the group to what `limits(worker)` makes of that, and goes on
// until enough of them have been replaced for that reason.
template <class Limits>
void recycling_under_load(connections kind, cohort::retire_reason why, Limits limits)
{
  loaded_group<cohort::round_robin> test;
  cohort::settings leaky;
  leaky.env(cohort::environment().set("COHORT_TEST_LEAK", "65536 1"));
  leaky.usage_interval(5ms).retire_jitter(0.02);
  const auto policy = cohort::restart_policy().backoff(1ms, 1ms);
  test.master().add(test.web(2).settings(leaky).restarts(policy));
  auto retired = test.master().template subscribe<cohort::retire_event>();
  test.begin();
  auto body = [&]() -> awaitable<void> {
    co_await test.serving("web", 2);
    const cohort::settings limited = limits(test.master().workers("web").front());
    load_client load(test.context, test.where(), 8, kind);
    load.start();
    const reload_result result =
        co_await test.master().reload("web", reload_options().settings(limited));
    CHECK(result.succeeded());
    for (unsigned i = 0; i != scaled(10); ++i) {
      const cohort::retire_event event = co_await retired.next();
      CHECK(event.reason == why);
    }
    co_await load.stop();
    CHECK(load.report().total() >= 10);
    test.expect_ok(load.report());
    CHECK(load.report().pids().size() > scaled(10));
    co_await test.end();
  };
  test.run(body, 120s);
}

} // namespace

TEST_CASE("fifty reloads under twenty thousand requests on new connections fail none")
{
  reload_under_load<cohort::round_robin>(connections::of_one_request, scaled(50), scaled(20'000));
}

TEST_CASE("twenty reloads under clients that keep their connections fail no request")
{
  reload_under_load<cohort::round_robin>(connections::kept, scaled(20), scaled(20'000));
}

TEST_CASE("reloads of workers that accept from one socket fail no request")
{
  reload_under_load<cohort::shared>(connections::of_one_request, scaled(20), scaled(10'000));
}

TEST_CASE("twenty broken reloads and a good one after each fail no request, and the good ones work")
{
  loaded_group<cohort::round_robin> test;
  test.master().add(test.web(2));
  test.begin();
  auto body = [&]() -> awaitable<void> {
    co_await test.serving("web", 2);
    load_client load(test.context, test.where(), 8);
    load.start();
    for (unsigned generation = 1; generation <= scaled(20); ++generation) {
      co_await load.finished(50);
      std::error_code error;
      co_await test.master().reload(
          "web", broken(), asio::redirect_error(asio::use_awaitable, error));
      CHECK(error == cohort::error::reload_failed);
      co_await load.finished(50);
      const reload_result result = co_await test.master().reload("web", reload_options());
      CHECK(result.succeeded());
    }
    co_await load.stop();
    test.expect_ok(load.report());
    co_await test.end();
  };
  test.run(body, 120s);
}

TEST_CASE("workers that have served enough are replaced under load, and no request fails")
{
  for (const connections kind : {connections::of_one_request, connections::kept}) {
    loaded_group<cohort::round_robin> test;
    const auto policy = cohort::restart_policy().backoff(1ms, 1ms);
    test.master().add(test.web(2).max_requests(300).restarts(policy));
    auto retired = test.master().template subscribe<cohort::retire_event>();
    test.begin();
    auto body = [&]() -> awaitable<void> {
      co_await test.serving("web", 2);
      load_client load(test.context, test.where(), 8, kind);
      load.start();
      for (unsigned i = 0; i != scaled(20); ++i) {
        const cohort::retire_event event = co_await retired.next();
        CHECK(event.reason == cohort::retire_reason::requests);
      }
      co_await load.stop();
      test.expect_ok(load.report());
      co_await test.end();
    };
    test.run(body, 120s);
  }
}

TEST_CASE("workers that have served for their time are replaced under load, and no request fails")
{
  const auto limits = [](const cohort::worker&) {
    return cohort::settings().max_age(100ms * time_factor());
  };
  for (const connections kind : {connections::of_one_request, connections::kept})
    recycling_under_load(kind, cohort::retire_reason::age, limits);
}

TEST_CASE("workers that lose memory are replaced under load, and no request fails")
{
  const auto limits = [](const cohort::worker& worker) {
    return cohort::settings().max_memory(worker.memory().value_or(0) + (16U << 20));
  };
  for (const connections kind : {connections::of_one_request, connections::kept})
    recycling_under_load(kind, cohort::retire_reason::memory, limits);
}

TEST_CASE("workers that lose descriptors are replaced under load, and no request fails")
{
  const auto limits = [](const cohort::worker& worker) {
    return cohort::settings().max_descriptors(worker.descriptors().value_or(0) + 100);
  };
  for (const connections kind : {connections::of_one_request, connections::kept})
    recycling_under_load(kind, cohort::retire_reason::descriptors, limits);
}

TEST_CASE("SIGTERM under load fails no request that was accepted, and then nobody listens")
{
  loaded_group<cohort::round_robin> test;
  test.master().add(test.web(2));
  test.begin();
  load_report report;
  auto body = [&]() -> awaitable<void> {
    co_await test.serving("web", 2);
    load_client load(test.context, test.where(), 8);
    load.start();
    co_await load.finished(2'000);
    std::raise(SIGTERM);
    const auto has_ended = [&] { return test.end_of_run().has_value(); };
    const bool over = co_await test.eventually(has_ended, 20s);
    CHECK(over);
    co_await load.finished(100);
    co_await load.stop();
    report = load.report();
  };
  test.run(body, 60s);
  CHECK(test.end_of_run() == std::error_code());
  CHECK(report.count(outcome::ok) >= 2'000);
  CHECK(report.count(outcome::refused) >= 100);
  // Who connects in the instant in which the socket is closed is reset by the kernel; nobody had
  // accepted it.
  for (const outcome bad : {outcome::eof, outcome::timeout, outcome::wrong, outcome::twice})
    CHECK_MESSAGE(report.count(bad) == 0, report.text());
  const std::string sequence = report.sequence();
  CHECK_MESSAGE(sequence.ends_with(" refused"), sequence);
  // The kinds follow one another: at most a few are reset between those that are served and those
  // that are refused.
  CHECK_MESSAGE(std::ranges::count(sequence, ',') <= 4, sequence);
  for (const auto& [id, times] : served_requests(test.log)) CHECK(times == 1);
}

} // namespace reload_under_load_test
