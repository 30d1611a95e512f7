// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// All workers replaced by new ones, and what becomes of that when the new ones are no good.

#include <cohort/reload.hpp>

#include "support/cluster_fixture.hpp"
#include "support/load.hpp"
#include "support/supervisor_fixture.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/redirect_error.hpp>

#include <csignal>
#include <filesystem>
#include <set>
#include <string>

namespace reload_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using cohort::reload_options;
using cohort::reload_outcome;
using cohort::reload_result;
using cohort::restart_policy;

TEST_CASE("a reload replaces all workers of a group, and those of others stay")
{
  for (const auto old :
      {cohort::old_workers::leave_together, cohort::old_workers::leave_one_by_one}) {
    supervisor_fixture test;
    test.master().add(test.group("one", 2)).add(test.group("two", 1));
    test.begin();
    test.run([&]() -> awaitable<void> {
      co_await test.serving("one", 2);
      co_await test.serving("two", 1);
      const auto before = ids(test.master().workers());
      const auto second = ids(test.master().workers("two"));
      const reload_options how = reload_options().old(old).probation(5ms);
      const reload_result result = co_await cohort::reload(test.master(), "one", how);
      CHECK(result.succeeded());
      CHECK(result.generation == 1);
      CHECK(test.master().workers("one").size() == 2);
      for (const auto each : ids(test.master().workers("one"))) CHECK_FALSE(before.contains(each));
      CHECK(ids(test.master().workers("two")) == second);
      co_await test.end();
    });
  }
}

TEST_CASE("a reload of a version that does not come up leaves the old one as it is")
{
  for (const char* const broken : {"exit=3", "abort", "hang", "ready exit=3"}) {
    CAPTURE(broken);
    supervisor_fixture test;
    const auto policy = restart_policy().boot_deadline(300ms * time_factor());
    test.master().add(test.group("one", 2).restarts(policy));
    test.begin();
    test.run([&]() -> awaitable<void> {
      co_await test.serving("one", 2);
      const auto before = ids(test.master().workers());
      test.behave(broken);
      const reload_options how = reload_options().probation(100ms * time_factor());
      cohort::reload_result result;
      std::error_code error;
      const auto note = [&](std::error_code e, const reload_result& r) {
        error = e;
        result = r;
      };
      test.master().reload("one", how, note);
      const auto is_over = [&] { return static_cast<bool>(error); };
      const bool over = co_await test.eventually(is_over);
      CHECK(over);
      CHECK(error == cohort::error::reload_failed);
      const bool hangs = std::string(broken) == "hang";
      CHECK(result.outcome == (hangs ? reload_outcome::not_ready : reload_outcome::died));
      CHECK(result.worker == 3);
      CHECK(result.generation == 0);
      CHECK(ids(test.master().workers()) == before);
      test.behave("serve");
      const reload_result good = co_await test.master().reload("one", how);
      CHECK(good.succeeded());
      CHECK(test.master().workers().size() == 2);
      for (const auto each : ids(test.master().workers())) CHECK_FALSE(before.contains(each));
      co_await test.end();
    });
  }
}

TEST_CASE("a program that is not there is the reason of a failed reload")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 1));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 1);
    const auto how = reload_options().settings(cohort::settings().exec("/nowhere"));
    std::error_code error;
    reload_result result;
    const auto note = [&](std::error_code e, const reload_result& r) {
      error = e;
      result = r;
    };
    test.master().reload("one", how, note);
    const auto is_over = [&] { return static_cast<bool>(error); };
    const bool over = co_await test.eventually(is_over);
    CHECK(over);
    CHECK(result.outcome == reload_outcome::start_failed);
    CHECK(result.error == std::errc::no_such_file_or_directory);
    // What it was started with before still counts.
    cohort::worker first = test.master().workers("one").front();
    first.kill(SIGKILL);
    co_await first.exited();
    const bool again = co_await test.serving("one", 1);
    CHECK(again);
    co_await test.end();
  });
}

TEST_CASE("a reload for which nobody waits any more is rolled back")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 2));
  auto events = test.master().subscribe<cohort::reload_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 2);
    const auto before = ids(test.master().workers());
    test.behave("hang");
    asio::cancellation_signal cancel;
    std::error_code result;
    const auto note = [&](std::error_code error, const reload_result&) { result = error; };
    test.master().reload(
        "one", reload_options(), asio::bind_cancellation_slot(cancel.slot(), note));
    const auto is_under_way = [&] { return test.master().workers().size() == 3; };
    const bool begun = co_await test.eventually(is_under_way);
    CHECK(begun);
    cancel.emit(asio::cancellation_type::total);
    const cohort::reload_event event = co_await events.next();
    CHECK(event.group == "one");
    CHECK(event.result.outcome == reload_outcome::aborted);
    CHECK(result == asio::error::operation_aborted);
    CHECK(ids(test.master().workers()) == before);
    co_await test.end();
  });
}

TEST_CASE("a second reload is refused or joins, and the end stops the first")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 1));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 1);
    test.behave("hang");
    std::error_code first, joined, second;
    const auto note_first = [&](std::error_code error, const reload_result&) { first = error; };
    const auto note_joined = [&](std::error_code error, const reload_result&) { joined = error; };
    test.master().reload("one", reload_options(), note_first);
    test.master().reload(
        "one", reload_options().when_running(cohort::second_reload::joins), note_joined);
    co_await test.master().reload(
        "one", reload_options(), asio::redirect_error(asio::use_awaitable, second));
    CHECK(second == cohort::error::busy);
    const auto exits = co_await test.master().disconnect(5s);
    CHECK(exits.size() == 2);
    CHECK(first == cohort::error::shutting_down);
    CHECK(joined == cohort::error::shutting_down);
  });
}

TEST_CASE("SIGHUP and SIGUSR1 reload all groups, SIGTERM ends them")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 1)).add(test.group("two", 1));
  auto events = test.master().subscribe<cohort::reload_event, cohort::signal_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    for (const int signal : {SIGHUP, SIGUSR1}) {
      co_await test.serving("one", 1);
      co_await test.serving("two", 1);
      const auto before = ids(test.master().workers());
      std::raise(signal);
      const auto told = co_await events.next();
      REQUIRE(std::holds_alternative<cohort::signal_event>(told));
      CHECK(std::get<cohort::signal_event>(told).number == signal);
      for (int i = 0; i != 2; ++i) {
        const auto event = co_await events.next();
        REQUIRE(std::holds_alternative<cohort::reload_event>(event));
        CHECK(std::get<cohort::reload_event>(event).result.succeeded());
      }
      for (const auto each : ids(test.master().workers())) CHECK_FALSE(before.contains(each));
    }
    std::raise(SIGTERM);
  });
  CHECK(test.end_of_run() == std::error_code());
  CHECK(test.master().workers().empty());
}

TEST_CASE("a worker may ask for a reload of its group, and is heard where that is allowed")
{
  for (const bool allowed : {true, false}) {
    CAPTURE(allowed);
    supervisor_fixture test;
    test.behave("reload serve");
    test.master().add(test.group("one", 1).reload_on_request(allowed));
    auto requests = test.master().subscribe<cohort::reload_request_event>();
    auto reloads = test.master().subscribe<cohort::reload_event>();
    test.begin();
    test.run([&]() -> awaitable<void> {
      const cohort::reload_request_event event = co_await requests.next();
      CHECK(event.group == "one");
      test.behave("serve");
      if (allowed) {
        const cohort::reload_event over = co_await reloads.next();
        CHECK(over.result.succeeded());
      }
      const bool up = co_await test.serving("one", 1);
      CHECK(up);
      CHECK(test.master().workers("one").front().id() == (allowed ? 2U : 1U));
      co_await test.end();
    });
  }
}

TEST_CASE("a second SIGTERM kills who does not leave")
{
  supervisor_fixture test;
  test.behave("serve stubborn");
  test.master().add(test.group("one", 2));
  test.begin();
  auto exits = test.master().subscribe<cohort::exit_event>();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 2);
    auto signals = test.master().subscribe<cohort::signal_event>();
    std::raise(SIGTERM);
    co_await signals.next();
    std::raise(SIGTERM);
    for (int i = 0; i != 2; ++i) {
      const cohort::exit_event event = co_await exits.next();
      CHECK(event.status == cohort::exit_status::signalled(SIGKILL));
    }
  });
  CHECK(test.end_of_run() == std::error_code());
}

TEST_CASE(
    "a cluster that nobody supervises is reloaded as well, and its later forks are as the new")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const auto before = co_await primary.start(3);
    const address where = co_await primary.address_of(before.front());
    auto events = primary.cluster().subscribe<cohort::reload_event>();
    load clients(where, 2);
    reload_options how = reload_options().at_once(2);
    how.settings(cohort::settings().env(server()));
    const reload_result result = co_await cohort::reload(primary.cluster(), how);
    CHECK(result.succeeded());
    const cohort::reload_event event = co_await events.next();
    CHECK(event.group.empty());
    CHECK(event.result.generation == 1);
    const auto after = primary.cluster().workers();
    CHECK(after.size() == 3);
    for (const cohort::worker& each : before) CHECK(each.is_dead());
    auto stop = [&] { clients.stop(); };
    co_await primary.in_thread(stop);
    const std::string all = std::to_string(clients.answers().size()) + " ok";
    CHECK(summary(clients.answers()) == all);
    CHECK(primary.cluster().current_settings().generation() == 1);
    co_await primary.end();
  });
}

TEST_CASE("a cluster can be reloaded again as soon as its reload is told")
{
  cluster_fixture primary(cohort::settings().env(server()));
  primary.run([&]() -> awaitable<void> {
    co_await primary.start(1);
    auto events = primary.cluster().subscribe<cohort::reload_event>();
    reload_result first;
    const auto note = [&](std::error_code, const reload_result& result) { first = result; };
    cohort::reload(primary.cluster(), reload_options(), note);
    co_await events.next();
    const reload_result second = co_await cohort::reload(primary.cluster(), reload_options());
    CHECK(first.generation == 1);
    CHECK(second.succeeded());
    CHECK(second.generation == 2);
    CHECK(primary.cluster().workers().size() == 1);
    CHECK(primary.cluster().current_settings().generation() == 2);
    co_await primary.end();
  });
}

TEST_CASE("what a failed reload of a cluster has taken over is taken back by workers as before")
{
  cluster_fixture primary(cohort::settings().env(server()));
  primary.run([&]() -> awaitable<void> {
    const auto before = co_await primary.start(2);
    auto forks = primary.cluster().subscribe<cohort::fork_event>();
    const auto how = reload_options()
                         .settings(cohort::settings().cwd("/"))
                         .old(cohort::old_workers::leave_one_by_one);
    std::error_code error;
    reload_result result;
    const auto note = [&](std::error_code e, const reload_result& r) {
      error = e;
      result = r;
    };
    cohort::reload(primary.cluster(), how, note);
    co_await forks.next();
    const cohort::fork_event bad = co_await forks.next();
    auto worker = primary.cluster().find(bad.worker);
    REQUIRE(worker);
    worker->kill(SIGKILL);
    const cohort::fork_event again = co_await forks.next();
    const auto is_over = [&] { return static_cast<bool>(error); };
    const bool over = co_await primary.eventually(is_over);
    CHECK(over);
    CHECK(error == cohort::error::reload_failed);
    CHECK(result.outcome == reload_outcome::died);
    CHECK(result.worker == bad.worker);
    CHECK(result.generation == 0);
    const std::set<cohort::worker_id> left{before.back().id(), again.worker};
    CHECK(ids(primary.cluster().workers()) == left);
    const std::string cwd = "/proc/" + std::to_string(again.pid) + "/cwd";
    CHECK(std::filesystem::read_symlink(cwd) == std::filesystem::current_path());
    co_await primary.end();
  });
}

TEST_CASE("new workers of a cluster leave after a failed reload though no old ones can be started")
{
  cluster_fixture primary(cohort::settings().env(server()));
  primary.run([&]() -> awaitable<void> {
    const auto before = co_await primary.start(2);
    // What is there runs on; who is to follow finds nothing.
    primary.cluster().setup(cohort::settings().exec("/nowhere"));
    auto forks = primary.cluster().subscribe<cohort::fork_event>();
    const auto how = reload_options()
                         .settings(cohort::settings().exec("/proc/self/exe"))
                         .old(cohort::old_workers::leave_one_by_one);
    std::error_code error;
    const auto note = [&](std::error_code e, const reload_result&) { error = e; };
    cohort::reload(primary.cluster(), how, note);
    const cohort::fork_event good = co_await forks.next();
    const cohort::fork_event bad = co_await forks.next();
    auto worker = primary.cluster().find(bad.worker);
    REQUIRE(worker);
    worker->kill(SIGKILL);
    const auto is_over = [&] { return static_cast<bool>(error); };
    const bool over = co_await primary.eventually(is_over);
    CHECK(over);
    CHECK(error == cohort::error::reload_failed);
    const auto is_gone = [&] { return !primary.cluster().find(good.worker); };
    const bool gone = co_await primary.eventually(is_gone);
    CHECK(gone);
    CHECK(ids(primary.cluster().workers()) == std::set<cohort::worker_id>{before.back().id()});
    co_await primary.end();
  });
}

TEST_CASE("a failed reload of a cluster is rolled back, and its end stops one")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const auto before = co_await primary.start(2);
    std::error_code error, second;
    const auto broken =
        reload_options().settings(cohort::settings().env(role("nobody")).args({"--bad"}));
    co_await cohort::reload(
        primary.cluster(), broken, asio::redirect_error(asio::use_awaitable, error));
    CHECK(error == cohort::error::reload_failed);
    CHECK(ids(primary.cluster().workers()) == ids(before));
    // One that never is ready: it listens nowhere.
    const auto hanging = reload_options().settings(cohort::settings().env(server("")));
    const auto note = [&](std::error_code e, const reload_result&) { error = e; };
    cohort::reload(primary.cluster(), hanging, note);
    co_await cohort::reload(
        primary.cluster(), reload_options(), asio::redirect_error(asio::use_awaitable, second));
    CHECK(second == cohort::error::busy);
    co_await primary.cluster().disconnect(5s);
    CHECK(error == cohort::error::reload_failed);
  });
}

} // namespace reload_test
