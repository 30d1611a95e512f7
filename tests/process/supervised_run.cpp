// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Programs that use cohort::run with a supervisor, and what signals do to them: role
// "supervised_run". Its environment, beside that of `load_server`:
//
//   COHORT_TEST_RUN  nothing, or: hang (workers are never ready), throw (they fail), fail (the
//                    supervisor does when it gets SIGHUP), brief (they may not drain for long)
//
// It writes "begun PID", "ready PID", "gone PID STATUS" of its workers, "reload OUTCOME", and
// "over" when the supervisor has ended.

#include <cohort/message/json.hpp>
#include <cohort/run.hpp>
#include <cohort/supervisor.hpp>

#include "support/context_fixture.hpp"
#include "support/kept_port.hpp"
#include "support/load_client.hpp"
#include "support/load_server.hpp"
#include "support/role_program.hpp"
#include "support/scratch.hpp"

#include <asio/detached.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <iostream>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <variant>
#include <vector>

namespace supervised_run_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using asio::ip::tcp;

// The program.

using events = cohort::subscription<cohort::fork_event, cohort::ready_event, cohort::exit_event,
    cohort::reload_event>;

struct teller {
  void operator()(const cohort::fork_event& event) const { std::cout << "begun " << event.pid; }
  void operator()(const cohort::ready_event& event) const { std::cout << "ready " << event.pid; }
  void operator()(const cohort::exit_event& event) const
  {
    std::cout << "gone " << event.pid << ' ' << event.status;
  }
  void operator()(const cohort::reload_event& event) const
  {
    std::cout << "reload " << event.group << ": " << event.result.to_string();
  }
};

awaitable<void> tell(events all)
{
  for (;;) {
    const auto event = co_await all.next();
    std::visit(teller(), event);
    std::cout << std::endl;
  }
}

awaitable<void> supervise(cohort::supervisor<>& master)
{
  const listen_spec where(variable("COHORT_TEST_LISTEN"));
  const auto policy = cohort::restart_policy().backoff(1ms, 1ms).boot_failures(2);
  cohort::group web("web");
  web.workers(2).restarts(policy).listen(
      tcp::endpoint(asio::ip::make_address(where.host), where.port));
  master.add(web);
  asio::co_spawn(master.get_executor(),
      tell(master.subscribe<cohort::fork_event, cohort::ready_event, cohort::exit_event,
           cohort::reload_event>()),
      asio::detached);
  if (variable("COHORT_TEST_RUN") == "fail") {
    auto signals = master.subscribe<cohort::signal_event>();
    master.run(asio::detached);
    co_await signals.next();
    throw std::runtime_error("supervise failed");
  }
  co_await master.run();
  std::cout << "over" << std::endl;
}

awaitable<void> serve(cohort::this_worker& self)
{
  const std::string what = variable("COHORT_TEST_RUN");
  if (what == "throw") throw std::runtime_error("no use");
  if (what == "hang") co_await self.drain_requested();
  else co_await serve_load(self);
}

COHORT_TEST_WORKER_ROLE(supervised_run)
{
  // A signal for the group is to be for this program alone.
  if (cohort::is_primary()) ::setpgid(0, 0);
  if (variable("COHORT_TEST_RUN") == "brief")
    return cohort::run(argc, argv, supervise, serve, cohort::run_options().drain_deadline(1ms));
  const auto how = cohort::supervisor_options().end_when_given_up(true).pid_file(
      variable("COHORT_TEST_PID_FILE"));
  return cohort::run(argc, argv, supervise, serve, how);
}

// The tests.

struct fixture : context_fixture {
  explicit fixture(const std::string& what = "")
      : program("supervised_run",
            {"COHORT_TEST_RUN=" + what, "COHORT_TEST_LISTEN=" + port.text(),
                "COHORT_TEST_LOG=" + scratch.file("log"), "COHORT_TEST_STEPS=200 1000 600000",
                "COHORT_TEST_PID_FILE=" + scratch.file("pid")})
  {
  }

  address where() const { return address::tcp4(port.number()); }

  /// Reads on until so many workers have said so; their processes.
  std::vector<int> told(const std::string& word, std::size_t count)
  {
    std::vector<int> found;
    while (found.size() != count) {
      const std::string said = program.line();
      REQUIRE_MESSAGE(!said.empty(), "the program has ended");
      if (said.starts_with(word + ' ')) found.push_back(std::stoi(said.substr(word.size() + 1)));
    }
    return found;
  }

  /// Reads on to the line that begins like this; the rest of it.
  std::string told(const std::string& begin)
  {
    for (;;) {
      const std::string said = program.line();
      REQUIRE_MESSAGE(!said.empty(), "the program has ended");
      if (said.starts_with(begin)) return said.substr(begin.size());
    }
  }

  /// Lets `change()` happen under the load of these clients; what became of their requests. The
  /// load ends when `change` has returned and so many more requests are answered.
  template <class Change>
  load_report under_load(connections kind, Change change, std::size_t more)
  {
    load_report report;
    run(
        [&]() -> awaitable<void> {
          load_client load(context, where(), 6, kind);
          load.start();
          co_await load.finished(300);
          co_await in_thread(change);
          co_await load.finished(more);
          co_await load.stop();
          report = load.report();
        },
        60s);
    report.compare(served_requests(scratch.file("log")));
    return report;
  }

  kept_port port;
  scratch_directory scratch;
  role_program program;
};

/// Whether all who had a connection went well, and those who wanted one until nobody listened any
/// more; who came at that instant may have been reset.
bool ended_in_order(load_report report)
{
  const auto was_kept = [](const load_event& each) { return !each.fresh; };
  const auto failed = [](const load_event& each) { return each.result != outcome::ok; };
  const bool kept_failed = std::ranges::any_of(
      report.events, [&](const load_event& each) { return was_kept(each) && failed(each); });
  std::erase_if(report.events, was_kept);
  static const std::regex good("[0-9]+ ok(, [0-9]+ reset)?(, [0-9]+ refused)?");
  return !kept_failed && std::regex_match(report.sequence(), good);
}

TEST_CASE("run with a supervisor: SIGTERM drains without losing a request, and gives 0")
{
  for (const bool whole_group : {false, true}) {
    for (const connections kind : {connections::of_one_request, connections::kept}) {
      CAPTURE(whole_group);
      fixture test;
      test.told("ready", 2);
      const auto end = [&] {
        if (whole_group) test.program.signal_group(SIGTERM);
        else test.program.signal(SIGTERM);
        CHECK(test.told("over") == "");
        CHECK(test.program.wait() == 0);
      };
      const load_report report = test.under_load(kind, end, 10);
      CHECK_MESSAGE(ended_in_order(report), report.sequence(), " in all: ", report.text());
      CHECK(test.program.errors() == "");
      CHECK_FALSE(std::filesystem::exists(test.scratch.file("pid")));
    }
  }
}

TEST_CASE("run with a supervisor: SIGTERM to a worker drains that one, and another follows")
{
  for (const connections kind : {connections::of_one_request, connections::kept}) {
    fixture test;
    const std::vector<int> first = test.told("ready", 2);
    const auto replace = [&] {
      for (const int each : first) {
        ::kill(each, SIGTERM);
        CHECK(test.told("gone " + std::to_string(each) + ' ') == "exited with code 0");
        test.told("ready", 1);
      }
    };
    const load_report report = test.under_load(kind, replace, 300);
    CHECK_MESSAGE(report.not_ok() == 0, report.text());
    // Who keeps a connection need not come to all.
    CHECK(report.pids().size() >= (kind == connections::kept ? 2 : 4));
    test.program.signal(SIGTERM);
    CHECK(test.program.wait() == 0);
    CHECK(test.program.errors() == "");
  }
}

TEST_CASE("run with a supervisor: SIGUSR1 and SIGHUP reload, also when the workers get them")
{
  for (const connections kind : {connections::of_one_request, connections::kept}) {
    fixture test;
    const std::vector<int> first = test.told("ready", 2);
    const auto reload = [&] {
      test.program.signal(SIGUSR1);
      CHECK(test.told("reload ") == "web: generation 1 runs");
      test.program.signal_group(SIGHUP);
      CHECK(test.told("reload ") == "web: generation 2 runs");
      test.program.signal_group(SIGUSR1);
      CHECK(test.told("reload ") == "web: generation 3 runs");
    };
    const load_report report = test.under_load(kind, reload, 300);
    CHECK_MESSAGE(report.not_ok() == 0, report.text());
    const std::set<pid_t> served = report.pids();
    CHECK(served.size() >= 2);
    // Who keeps a connection need not come to all.
    for (const int each : first) CHECK((kind == connections::kept || served.contains(each)));
    test.program.signal(SIGTERM);
    CHECK(test.program.wait() == 0);
    CHECK(test.program.errors() == "");
  }
}

TEST_CASE("run with a supervisor: a second signal ends at once, with 128 and its number")
{
  for (const int number : {SIGTERM, SIGINT}) {
    fixture test;
    test.told("ready", 2);
    client live(test.where());
    // It would take longer than the test may.
    CHECK(live.send("1 slow 600000\n") == outcome::ok);
    client idle(test.where());
    CHECK(idle.ask("keep").result == outcome::ok);
    test.program.signal(number);
    wait_for_refusal(test.where());
    CHECK(idle.receive_end() == outcome::ok);
    test.program.signal(number);
    CHECK(test.program.wait() == 128 + number);
    CHECK(live.receive_end() != outcome::timeout);
    CHECK_FALSE(std::filesystem::exists(test.scratch.file("pid")));
  }
}

TEST_CASE("run with a supervisor: SIGTERM ends it while its workers are being started")
{
  for (const bool whole_group : {false, true}) {
    fixture test("hang");
    test.told("begun", 1);
    if (whole_group) test.program.signal_group(SIGTERM);
    else test.program.signal(SIGTERM);
    CHECK(test.told("over") == "");
    CHECK(test.program.wait() == 0);
    CHECK(test.program.errors() == "");
  }
}

TEST_CASE("run with a supervisor: giving up is a failure where the options say so")
{
  fixture test("throw");
  test.told("gone", 2);
  CHECK(test.program.wait() == 1);
  const std::string errors = test.program.errors();
  CHECK(errors.starts_with("cohort: serve: no use\n"));
  CHECK_MESSAGE(errors.find("cohort: supervise: ") != errors.npos, errors);
}

TEST_CASE("run with a supervisor: the deadline of the options ends what does not end")
{
  fixture test("brief");
  test.told("ready", 2);
  client stubborn(test.where());
  CHECK(stubborn.ask("keep").result == outcome::ok);
  CHECK(stubborn.send("1 stubborn\n") == outcome::ok);
  test.program.signal(SIGTERM);
  // Before that of the workers, and before that of a supervisor by itself.
  CHECK(test.program.wait() == 0);
  CHECK(stubborn.receive_end() != outcome::timeout);
}

TEST_CASE("run with a supervisor: after supervise has failed, the first signal is the first")
{
  fixture test("fail");
  test.told("ready", 2);
  client live(test.where());
  CHECK(live.ask("keep").result == outcome::ok);
  CHECK(live.send("1 slow 300\n") == outcome::ok);
  test.program.signal(SIGHUP);
  wait_for_refusal(test.where());
  test.program.signal(SIGTERM);
  std::string answer;
  CHECK(live.receive(answer) == outcome::ok);
  CHECK(test.program.wait() == 1);
  CHECK(test.program.errors() == "cohort: supervise: supervise failed\n");
}

} // namespace supervised_run_test
