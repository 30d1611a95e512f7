// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/supervisor_core.hpp>

#include <cohort/message/json.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include "support/event_loop.hpp"
#include "support/scratch.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

namespace supervisor_core_test {

using namespace cohort;
using core_type = detail::supervisor_core<round_robin, json_protocol>;

namespace {

// Programs that know nothing of clusters, so that nothing but their processes counts.
group sleepers(const std::string& name, unsigned workers)
{
  return group(name)
      .workers(workers)
      .program("/bin/sleep", {"1000"})
      .ready_when(readiness::started);
}

struct core_test {
  explicit core_test(const supervisor_options& options = supervisor_options())
      : core(std::make_shared<core_type>(context.get_executor(), options, round_robin()))
  {
    core->watch();
  }
  ~core_test()
  {
    core->abandon();
    context.restart();
    context.run_for(std::chrono::seconds(10));
  }

  void add(const group& description)
  {
    std::error_code error;
    core->add(description, error);
    CHECK(!error);
  }
  std::size_t workers(const std::string& name)
  {
    return core->groups().workers_of(*core->groups().at(name)).size();
  }
  template <class Done>
  bool run_until(Done done)
  {
    return cohort_test::run_until(context, done);
  }

  cohort_test::scratch_directory scratch;
  asio::io_context context{1};
  std::shared_ptr<core_type> core;
  cohort_test::completion<> result;
};

} // namespace

TEST_CASE("each group has its own workers, and a worker that dies is seen by its group")
{
  core_test test;
  test.add(sleepers("one", 2));
  test.add(sleepers("two", 1));
  test.core->run(test.result.handler());
  CHECK(test.workers("one") == 2);
  CHECK(test.workers("two") == 1);
  const auto first = test.core->groups().workers_of(*test.core->groups().at("one")).front();
  test.core->cluster().find(first)->kill(SIGKILL);
  CHECK(test.run_until([&] { return !test.core->cluster().find(first); }));
  CHECK(test.run_until([&] { return test.workers("one") == 2; }));
  test.core->stop(std::chrono::seconds(10));
  CHECK(test.run_until([&] { return test.result.done(); }));
  CHECK(test.result.good());
}

TEST_CASE("groups that are over with the supervisor start nothing any more")
{
  core_test test;
  const auto policy = restart_policy().kind(restart::temporary);
  test.add(sleepers("one", 1).program("/bin/true").restarts(policy));
  test.core->run(test.result.handler());
  CHECK(test.run_until([&] { return test.result.done(); }));
  CHECK(test.result.good());
  test.core->groups().at("one")->resize(2);
  CHECK(test.workers("one") == 0);
  cohort_test::completion<reload_result> late;
  test.core->groups().at("one")->reload(late.handler(), reload_options());
  CHECK(test.run_until([&] { return late.done(); }));
  CHECK(late.error == error::shutting_down);
}

TEST_CASE("signals are acted on while it runs, and told")
{
  core_test test;
  test.add(sleepers("one", 1));
  auto events = test.core->cluster().subscribe<signal_event, reload_event>();
  test.core->run(test.result.handler());
  const auto first = test.core->groups().workers_of(*test.core->groups().at("one")).front();
  int told = 0;
  const auto next = [&](std::error_code error, const auto&) { told += error ? 0 : 1; };
  events.next(next);
  events.next(next);
  std::raise(SIGUSR1);
  CHECK(test.run_until([&] { return told == 2; }));
  CHECK_FALSE(test.core->cluster().find(first));
  CHECK(test.workers("one") == 1);
  std::raise(SIGTERM);
  CHECK(test.run_until([&] { return test.result.done(); }));
  CHECK(test.result.good());
}

TEST_CASE("the number and the state of a supervisor are in files while it runs")
{
  cohort_test::scratch_directory scratch;
  const std::string pid = scratch.file("run/pid"), status = scratch.file("run/status");
  supervisor_options options;
  options.pid_file(pid).status_file(status, std::chrono::milliseconds(1));
  core_test test(options);
  test.add(sleepers("one", 1));
  test.core->run(test.result.handler());
  const auto read = [](const std::string& path) {
    std::string line;
    std::ifstream file(path);
    std::getline(file, line);
    return line;
  };
  CHECK(read(pid) == std::to_string(::getpid()));
  const std::string up = "group one workers 1 ready 1 starting 0 leaving 0 generation 0 state up";
  CHECK(test.run_until([&] { return read(status) == up; }));
  test.core->stop(std::chrono::seconds(10));
  CHECK(test.run_until([&] { return test.result.done(); }));
  CHECK(read(pid).empty());
  CHECK(
      read(status) == "group one workers 1 ready 0 starting 0 leaving 0 generation 0 state ending");
}

TEST_CASE("a status that cannot be written is told and stops nothing")
{
  supervisor_options options;
  options.status_file("/proc/nowhere/status", std::chrono::hours(1));
  core_test test(options);
  test.add(sleepers("one", 1));
  auto events = test.core->cluster().subscribe<error_event>();
  error_event told;
  events.next([&](std::error_code, const error_event& event) { told = event; });
  test.core->run(test.result.handler());
  CHECK(test.run_until([&] { return !told.what.empty(); }));
  CHECK(told.what == "status file");
  CHECK(told.code);
  test.core->stop(std::chrono::seconds(10));
  CHECK(test.run_until([&] { return test.result.done(); }));
}

TEST_CASE("a pid file that cannot be made is the error of run, and nothing is started")
{
  supervisor_options options;
  options.pid_file("/proc/nowhere/pid");
  core_test test(options);
  test.add(sleepers("one", 1));
  test.core->run(test.result.handler());
  CHECK(test.run_until([&] { return test.result.done(); }));
  CHECK(test.result.error);
  CHECK(test.core->cluster().workers().empty());
}

} // namespace supervisor_core_test
