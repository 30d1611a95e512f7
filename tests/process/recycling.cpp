// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that have served for their time, or use more than they may, and what is seen of that.

#include "support/skip.hpp"
#include "support/supervisor_fixture.hpp"

#include <chrono>
#include <string>
#include <unistd.h>
#include <variant>

namespace recycling_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using cohort::retire_reason;

namespace {

// A program that knows nothing of this library.
cohort::group sleeper()
{
  cohort::group group("sleeper");
  group.workers(1).program("/bin/sleep", {"1000"}).ready_when(cohort::readiness::started);
  return group.restarts(cohort::restart_policy().backoff(1ms, 1ms));
}

// The first worker of a group of one is replaced for that reason, when the next one is ready.
void is_replaced(cohort::group group, retire_reason why)
{
  supervisor_fixture test;
  const std::string name = group.name();
  test.master().add(std::move(group));
  using cohort::exit_event;
  using cohort::fork_event;
  using cohort::ready_event;
  using cohort::retire_event;
  auto events = test.master().subscribe<fork_event, ready_event, retire_event, exit_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    std::string order;
    for (bool ended = false; !ended;) {
      const auto event = co_await events.next();
      if (const auto* fork = std::get_if<fork_event>(&event))
        order += 'f' + std::to_string(fork->worker);
      if (const auto* ready = std::get_if<ready_event>(&event))
        order += 'r' + std::to_string(ready->worker);
      if (const auto* exit = std::get_if<exit_event>(&event)) ended = exit->worker == 1;
      const auto* const retire = std::get_if<retire_event>(&event);
      if (!retire) continue;
      CHECK(retire->reason == why);
      order += 'x' + std::to_string(retire->worker);
    }
    // What comes behind that may be the end of the second one.
    const bool is_silent = name == "sleeper";
    const std::string expected = is_silent ? "f1x1f2" : "f1r1x1f2r2";
    CHECK_MESSAGE(order.starts_with(expected), order);
    const auto exits = co_await test.master().disconnect(5s);
    CHECK_FALSE(exits.empty());
  });
}

} // namespace

TEST_CASE("a worker that has served for its time is replaced, the new one ready first")
{
  supervisor_fixture programs;
  is_replaced(programs.group("one", 1).max_age(20ms * time_factor()), retire_reason::age);
}

TEST_CASE("a worker that uses more than it may is replaced, the new one ready first")
{
  supervisor_fixture programs;
  const auto often = cohort::settings().usage_interval(1ms);
  const auto group = [&] { return programs.group("one", 1).settings(often); };
  is_replaced(group().max_memory(1), retire_reason::memory);
  // Two channels at least, beside the standard ones.
  is_replaced(group().max_descriptors(5), retire_reason::descriptors);
}

TEST_CASE("a program that knows nothing of this library is replaced as well")
{
  is_replaced(sleeper().max_age(20ms), retire_reason::age);
  is_replaced(sleeper().max_memory(1), retire_reason::memory);
}

TEST_CASE("what workers use is in the status, and known of each")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 1).settings(cohort::settings().usage_interval(1ms)));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 1);
    const cohort::worker worker = test.master().workers("one").front();
    const auto memory = worker.memory();
    const auto descriptors = worker.descriptors();
    REQUIRE(memory);
    REQUIRE(descriptors);
    CHECK(*memory > 100'000);
    CHECK(*descriptors >= 5);
    CHECK(*descriptors < 50);
    const std::string status = test.master().status_text();
    const auto value = [&](const std::string& name) {
      return std::stoull(status.substr(status.find(' ' + name + ' ') + name.size() + 2));
    };
    CHECK(value("memory") > *memory / 2);
    CHECK(value("memory") < *memory * 2);
    CHECK(value("descriptors") >= 5);
    CHECK(value("descriptors") < 50);
    co_await test.end();
    // What was seen before its end.
    CHECK(worker.memory());
  });
}

TEST_CASE("what a worker of another user has open is seen by root")
{
  if (::getuid() != 0) return skip("not root");
  supervisor_fixture test;
  test.master().add(sleeper().settings(cohort::settings().uid(12345).gid(23456)));
  auto errors = test.master().subscribe<cohort::error_event>();
  errors.next([](std::error_code error, const cohort::error_event& event) {
    CHECK_MESSAGE(error, event.what);
  });
  test.begin();
  test.run([&]() -> awaitable<void> {
    const auto is_there = [&] { return !test.master().workers("sleeper").empty(); };
    co_await test.eventually(is_there);
    const cohort::worker worker = test.master().workers("sleeper").front();
    CHECK(worker.memory());
    CHECK(worker.descriptors());
    co_await test.master().disconnect(5s);
    test.destroy();
  });
}

} // namespace recycling_test
