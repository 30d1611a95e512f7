// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Who hangs is found in time, however it hangs, and who does not hang is left alone: because it
// takes long to come up, because the primary did not run, or because nobody has enough processor
// time.

#include "support/loaded_heartbeat.hpp"
#include "support/role_program.hpp"
#include "support/stopped_worker.hpp"
#include "support/supervisor_fixture.hpp"
#include "support/worker_roles.hpp"

#include <asio/detached.hpp>

#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <map>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <variant>

namespace hanging_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

namespace {

// A primary of two workers that are watched, role "stoppable". It writes its number, then "begun
// PID", "ready PID" and "gone PID STATUS" of its workers, and ends with the second of these. Its
// environment beside that of its workers:
//
//   COHORT_TEST_INTERVAL  milliseconds; who is not heard for four of them hangs
struct teller {
  void operator()(const cohort::fork_event& event) const { std::cout << "begun " << event.pid; }
  void operator()(const cohort::ready_event& event) const { std::cout << "ready " << event.pid; }
  void operator()(const cohort::exit_event& event) const
  {
    std::cout << "gone " << event.pid << ' ' << event.status;
  }
};

awaitable<void> tell(
    cohort::subscription<cohort::fork_event, cohort::ready_event, cohort::exit_event> all)
{
  for (int exits = 0; exits != 2;) {
    const auto event = co_await all.next();
    std::visit(teller(), event);
    std::cout << std::endl;
    exits += std::holds_alternative<cohort::exit_event>(event) ? 1 : 0;
  }
}

COHORT_TEST_WORKER_ROLE(stoppable)
{
  // A signal for the group is to be for this program alone.
  ::setpgid(0, 0);
  std::cout << "primary " << ::getpid() << std::endl;
  asio::io_context context(1);
  cohort::supervisor<> master(context);
  const std::chrono::milliseconds interval(std::stoi(variable("COHORT_TEST_INTERVAL")));
  const auto how = cohort::settings().env(role("supervised"));
  master.add(cohort::group("one").workers(2).settings(how).heartbeat(interval, 4));
  asio::co_spawn(context,
      tell(master.subscribe<cohort::fork_event, cohort::ready_event, cohort::exit_event>()),
      [&](std::exception_ptr) { context.stop(); });
  master.run(asio::detached);
  context.run();
  return 0;
}

// Lets time pass, in which nothing is to happen.
void let_pass(std::chrono::milliseconds time)
{
  ::poll(nullptr, 0, static_cast<int>(time.count()));
}

} // namespace

TEST_CASE("a worker that hangs is found in time, whether it spins, waits for a lock or is stopped")
{
  const std::chrono::milliseconds interval = 200ms * time_factor(), grace = 50ms * time_factor();
  constexpr unsigned misses = 5;
  supervisor_fixture test;
  // Writing a core would count.
  const auto how = cohort::settings()
                       .heartbeat(interval, misses)
                       .kill_grace(grace)
                       .limit(cohort::resource_limit(cohort::resource::core, 0));
  const auto nobody_follows = cohort::restart_policy().kind(cohort::restart::temporary);
  using cohort::exit_event;
  using cohort::ready_event;
  auto events = test.master().subscribe<ready_event, exit_event>();
  // A group without an end, lest all is over with the first.
  test.master().add(test.group("good", 1));
  test.begin();
  test.run([&]() -> awaitable<void> {
    const auto first = co_await events.next();
    REQUIRE(std::holds_alternative<ready_event>(first));
    std::map<cohort::worker_id, std::string> forms;
    std::map<cohort::worker_id, clock::time_point> since;
    for (const std::string form : {"spin", "block", "stop"}) {
      test.behave("serve " + form);
      cohort::group one = test.group(form, 1);
      test.master().add(one.settings(how).restarts(nobody_follows));
      // It hangs from then on, and was heard for the last time.
      const auto event = co_await events.next();
      REQUIRE(std::holds_alternative<ready_event>(event));
      const cohort::worker_id id = std::get<ready_event>(event).worker;
      since[id] = clock::now();
      forms[id] = form;
    }
    for (std::size_t i = 0; i != forms.size(); ++i) {
      const auto event = co_await events.next();
      REQUIRE(std::holds_alternative<exit_event>(event));
      const auto& exit = std::get<exit_event>(event);
      const std::string form = forms[exit.worker];
      CAPTURE(form);
      // What is stopped does not even abort.
      const bool stopped = form == "stop";
      CHECK(exit.status == cohort::exit_status::signalled(stopped ? SIGKILL : SIGABRT));
      const auto after = clock::now() - since[exit.worker] - (stopped ? grace : 0ms);
      const auto limit = interval * misses + interval * misses / 10;
      using milliseconds = std::chrono::duration<double, std::milli>;
      CHECK_MESSAGE(after <= limit, milliseconds(after).count(), " ms");
      CHECK_MESSAGE(after > interval * (misses - 1), milliseconds(after).count(), " ms");
    }
    co_await test.end();
  });
}

TEST_CASE("a worker may take longer to say hello than it may be silent later")
{
  supervisor_fixture test;
  const auto early = cohort::environment().set("COHORT_TEST_EARLY", "stop");
  cohort::group one = test.group("one", 1).settings(cohort::settings().env(early));
  test.master().add(one.heartbeat(20ms * time_factor(), 10));
  auto events = test.master().subscribe<cohort::fork_event, cohort::exit_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    const auto first = co_await events.next();
    REQUIRE(std::holds_alternative<cohort::fork_event>(first));
    cohort::worker worker = test.master().workers("one").front();
    CHECK(stands_still(worker.pid()));
    const auto has_ended = [&] { return worker.is_dead(); };
    const bool ended = co_await test.eventually(has_ended, 400ms);
    CHECK_FALSE(ended);
    worker.kill(SIGCONT);
    const bool serves = co_await test.serving("one", 1);
    CHECK(serves);
    CHECK(test.master().workers("one").front() == worker);
    co_await test.end();
  });
}

TEST_CASE("a primary that was stopped for three times as long as workers may be silent kills none")
{
  const std::chrono::milliseconds interval = 50ms * time_factor(), timeout = 4 * interval;
  scratch_directory scratch;
  std::ofstream(scratch.file("behaviour")) << "serve\n";
  role_program primary("stoppable", {"COHORT_TEST_INTERVAL=" + std::to_string(interval.count()),
                                        "COHORT_TEST_BEHAVIOUR=" + scratch.file("behaviour"),
                                        "COHORT_TEST_STARTS=" + scratch.file("starts")});
  const int pid = primary.number("primary");
  for (int ready = 0; ready != 2;) ready += primary.line().starts_with("ready ") ? 1 : 0;
  // First itself, while its workers go on; then all of them, as a debugger or a freezer does it.
  const auto signal = [&](int number, bool whole_group) {
    if (whole_group) primary.signal_group(number);
    else primary.signal(number);
  };
  for (const bool whole_group : {false, true}) {
    signal(SIGSTOP, whole_group);
    REQUIRE(stands_still(pid));
    let_pass(3 * timeout);
    signal(SIGCONT, whole_group);
    let_pass(2 * timeout);
  }
  primary.signal(SIGTERM);
  // Nothing has been said in between.
  for (int i = 0; i != 2; ++i) {
    const std::string said = primary.line();
    CHECK_MESSAGE(said.starts_with("gone "), said);
    CHECK_MESSAGE(said.ends_with(" exited with code 0"), said);
  }
  CHECK(primary.wait() == 0);
}

TEST_CASE("nobody who is healthy is taken for one that hangs, while all processors are busy")
{
  expect_no_false_kill(50ms * time_factor(), 30, 4s);
}

} // namespace hanging_test
