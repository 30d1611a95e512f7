// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/tenure.hpp>

#include <cohort/detail/core/dispatcher.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include "support/empty_group_host.hpp"
#include "support/event_loop.hpp"
#include "support/new_program.hpp"
#include "support/noted_host.hpp"
#include "support/upgrade_channel.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

namespace tenure_test {

using namespace cohort;
using namespace cohort::detail;
using namespace std::chrono_literals;
using cohort_test::completion;
using cohort_test::live_on;
using cohort_test::new_program;

namespace {

struct noted_totals {
  cohort::totals totals() const { return counted; }
  void restore(const cohort::totals& earlier) { counted = earlier; }

  cohort::totals counted;
};

// What a supervisor is for its tenure.
struct owner_type : std::enable_shared_from_this<owner_type> {
  explicit owner_type(const std::string& pid_path)
      : made(std::in_place, *this, context.get_executor(),
            supervisor_options().pid_file(pid_path).upgrade(new_program("exit 3")), group_list,
            groups_host)
  {
  }

  noted_totals& cluster() { return numbers; }
  group_table& groups() { return group_list; }

  bool serves() const { return is_serving; }
  auto& connections() { return listeners; }
  void stop(std::chrono::steady_clock::duration deadline) { stopped = deadline; }
  void set_upgrades(bool value) { upgrading = value; }
  void finish_if_over() { ++looked; }
  void publish(const any_event& event)
  {
    if (const auto* const failure = std::get_if<error_event>(&event)) failures.push_back(*failure);
  }
  std::string status() { return std::string(); }
  void status_failed(std::error_code) {}

  asio::io_context context{1};
  cohort_test::noted_host host;
  cohort_test::empty_group_host groups_host;
  group_table group_list;
  noted_totals numbers;
  dispatcher<round_robin, cohort_test::noted_host> listeners{
      context.get_executor(), host, round_robin()};
  bool is_serving = true;
  std::optional<std::chrono::steady_clock::duration> stopped;
  int looked = 0;
  bool upgrading = false;
  std::vector<error_event> failures;
  std::optional<tenure<owner_type>> made;
};

struct fixture {
  ~fixture()
  {
    owner->made->abandon();
    owner->listeners.close();
    CHECK(cohort_test::run_until(owner->context, [] { return cohort_test::has_no_child(); }));
    cohort_test::run_ready(owner->context);
  }

  tenure<owner_type>& made() { return *owner->made; }
  void begin()
  {
    std::error_code error;
    made().claim(error);
    REQUIRE_FALSE(error);
    // One that is over: nothing more is awaited of it.
    owner->group_list.add(std::make_shared<supervised_group>(
        owner->context.get_executor(), group("web"), 0, owner->groups_host, 1));
    made().begin();
    made().look();
  }
  // A worker listens; where.
  posix::socket_address listen()
  {
    wire::listen message;
    message.backlog = 16;
    cohort_test::loopback_key().describe_to(message);
    const auto answer = owner->listeners.listen(candidate(1), message);
    REQUIRE(answer.value == 0);
    return answer.place.bound;
  }
  void upgrade(const upgrade_options& how, completion<upgrade_result>& told)
  {
    made().upgrade(how, told.handler());
  }
  void finish(completion<upgrade_result>& told)
  {
    CHECK(cohort_test::run_until(owner->context, [&] { return told.done(); }));
  }
  std::size_t open_listeners() const
  {
    std::size_t count = 0;
    owner->listeners.visit_listeners(
        [&](const auto& each, const listen_key&) { count += each.is_open(); });
    return count;
  }
  bool is_known() const { return std::filesystem::exists(scratch.file("pid")); }

  cohort_test::scratch_directory scratch;
  std::shared_ptr<owner_type> owner = std::make_shared<owner_type>(scratch.file("pid"));
  completion<upgrade_result> result;
};

} // namespace

TEST_CASE("when the new process counts, nobody is accepted here, and the owner is told to stop")
{
  fixture test;
  test.begin();
  CHECK_FALSE(test.made().started_by_upgrade());
  test.listen();
  CHECK(test.is_known());
  test.upgrade(new_program(cohort_test::say_ready() + live_on).drain_deadline(7s), test.result);
  CHECK(test.made().upgrades());
  CHECK(test.owner->upgrading);
  CHECK_FALSE(test.owner->stopped);
  test.finish(test.result);
  CHECK_FALSE(test.owner->upgrading);
  CHECK(test.result.good());
  CHECK(test.owner->stopped == 7s);
  CHECK_FALSE(test.made().upgrades());
  CHECK(test.owner->failures.empty());
  CHECK(test.open_listeners() == 0);
  // It is the other one's.
  test.made().end();
  CHECK(test.is_known());
  CHECK(cohort_test::end_new_program(test.result.value.pid));
}

TEST_CASE("what was counted is left to the new process at the end, and goes on from there")
{
  cohort_test::replaced_program before{std::vector<passed_listener>()};
  fixture test;
  test.begin();
  CHECK(before.heard_ready());
  before.say(wire::leaving());
  before.say_text("group web started 5\n");
  before.close();
  CHECK(cohort_test::run_until(
      test.owner->context, [&] { return !test.owner->numbers.counted.groups.empty(); }));
  const cohort::totals& counted = test.owner->numbers.counted;
  REQUIRE(counted.groups.size() == 1);
  CHECK(counted.groups[0].name == "web");
  CHECK(counted.groups[0].counters.started == 5);
  CHECK(test.owner->failures.empty());
}

TEST_CASE("who is in this process without anybody to serve him goes to the new one")
{
  fixture test;
  test.begin();
  const auto where = test.listen();
  wire::credit room;
  room.listener = 1;
  room.window = 2;
  CHECK(test.owner->listeners.received(1, room));
  cohort_test::test_clients clients(test.owner->context);
  clients.connect(where, 2);
  const auto is_offered = [&] { return test.owner->host.offered(1) == 2; };
  CHECK(cohort_test::run_until(test.owner->context, is_offered));
  test.upgrade(new_program(cohort_test::say_ready() + live_on), test.result);
  // It ends without having taken them.
  test.owner->listeners.gone(1);
  CHECK(test.open_listeners() == 1);
  test.finish(test.result);
  CHECK(test.result.good());
  CHECK(test.owner->listeners.counters().accepted == 0);
  CHECK(test.owner->listeners.size() == 0);
  CHECK(test.owner->failures.empty());
  CHECK(cohort_test::end_new_program(test.result.value.pid));
}

TEST_CASE("who comes back when the new one listens already goes there, and so do those before")
{
  cohort_test::replaced_program before{std::vector<passed_listener>()};
  fixture test;
  test.begin();
  CHECK(before.heard_ready());
  const auto where = test.listen();
  before.say(wire::leaving());
  CHECK(cohort_test::run_until(test.owner->context, [&] { return test.is_known(); }));
  wire::credit room;
  room.listener = 1;
  room.window = 1;
  CHECK(test.owner->listeners.received(1, room));
  cohort_test::test_clients clients(test.owner->context);
  clients.connect(where);
  const auto is_offered = [&] { return test.owner->host.offered(1) == 1; };
  CHECK(cohort_test::run_until(test.owner->context, is_offered));
  test.upgrade(new_program(cohort_test::say_ready() + live_on), test.result);
  test.finish(test.result);
  CHECK_MESSAGE(test.result.good(), test.result.error.message());
  test.owner->listeners.gone(1);
  CHECK(test.owner->listeners.size() == 1);
  test.made().worker_ended();
  CHECK(test.owner->listeners.size() == 0);
  CHECK(test.owner->listeners.counters().accepted == 0);
  // What the process before this one has to leave is the new one's as well.
  before.strand(cohort_test::listener_at(cohort_test::loopback_key()));
  before.say_text("group web started 5\n");
  before.close();
  cohort_test::run_ready(test.owner->context);
  CHECK(test.owner->numbers.counted.groups.empty());
  CHECK(test.owner->listeners.counters().accepted == 0);
  CHECK(test.owner->failures.empty());
  CHECK(cohort_test::end_new_program(test.result.value.pid));
}

TEST_CASE("who was in the process before this one is served here, where somebody listens")
{
  cohort_test::replaced_program before{std::vector<passed_listener>()};
  fixture test;
  test.begin();
  CHECK(before.heard_ready());
  test.listen();
  // Whatever is accepted there.
  auto connections = cohort_test::listener_at(cohort_test::loopback_key());
  before.strand(connections);
  const auto is_adopted = [&] { return test.owner->listeners.counters().accepted == 1; };
  CHECK(cohort_test::run_until(test.owner->context, is_adopted));
  CHECK(test.owner->failures.empty());
  connections.asked.index = 1;
  before.strand(connections);
  const auto is_reported = [&] { return test.owner->failures.size() == 1; };
  CHECK(cohort_test::run_until(test.owner->context, is_reported));
  CHECK(test.owner->failures[0].what == "connections of the old program");
  CHECK(test.owner->failures[0].code == std::errc::address_not_available);
}

TEST_CASE("a failed upgrade is reported, and leaves the owner and its listeners as they were")
{
  fixture test;
  test.begin();
  test.listen();
  test.upgrade(new_program("exit 3"), test.result);
  test.finish(test.result);
  CHECK(test.result.error == error::upgrade_failed);
  REQUIRE(test.owner->failures.size() == 1);
  CHECK(test.owner->failures[0].code == error::upgrade_failed);
  CHECK(test.owner->failures[0].what == "upgrade: " + test.result.value.to_string());
  CHECK_FALSE(test.owner->stopped);
  CHECK_FALSE(test.made().upgrades());
  CHECK(test.open_listeners() == 1);
  // It has no worker any more, and nobody else has it.
  test.owner->listeners.gone(1);
  CHECK(test.open_listeners() == 0);
  test.made().end();
  CHECK_FALSE(test.is_known());
}

TEST_CASE("an upgrade that a signal asks for is as any other, and why there is none is reported")
{
  fixture test;
  test.begin();
  const auto report = [&](std::size_t number) {
    CHECK(cohort_test::run_until(
        test.owner->context, [&] { return test.owner->failures.size() == number; }));
    return test.owner->failures.back();
  };
  test.made().upgrade_by_signal();
  CHECK(test.owner->upgrading);
  test.made().upgrade_by_signal();
  CHECK(report(1).code == error::busy);
  CHECK(report(1).what == "upgrade");
  CHECK(report(2).code == error::upgrade_failed);
  CHECK(report(2).what.find("exited with code 3") != std::string::npos);
  CHECK_FALSE(test.owner->upgrading);
  test.owner->is_serving = false;
  test.made().upgrade_by_signal();
  CHECK(report(3).code == error::shutting_down);
}

TEST_CASE("an owner that is to end at once kills the new program")
{
  const cohort_test::scratch_directory scratch;
  const std::string deaf = scratch.file("deaf");
  fixture test;
  test.begin();
  test.made().kill();
  test.upgrade(new_program("trap '' TERM; : >" + deaf + "; " + live_on), test.result);
  const auto limit = std::chrono::steady_clock::now() + 10s * cohort_test::time_factor();
  while (!std::filesystem::exists(deaf)) REQUIRE(std::chrono::steady_clock::now() < limit);
  test.made().kill();
  test.finish(test.result);
  CHECK(test.result.error == error::shutting_down);
  CHECK(test.result.value.status.signal() == SIGKILL);
}

TEST_CASE("an owner that is to end gives the upgrade up, and looks again when it is over")
{
  fixture test;
  test.begin();
  test.upgrade(new_program(live_on), test.result);
  test.made().stopping();
  test.finish(test.result);
  CHECK(test.result.error == error::shutting_down);
  CHECK(cohort_test::run_until(test.owner->context, [&] { return test.owner->looked == 1; }));
  CHECK(test.owner->failures.empty());
  CHECK_FALSE(test.owner->stopped);
}

TEST_CASE("an owner that does not serve is not replaced, and there is one upgrade at a time")
{
  fixture test;
  test.begin();
  test.owner->is_serving = false;
  test.upgrade(new_program(live_on), test.result);
  test.finish(test.result);
  CHECK(test.result.error == error::shutting_down);
  CHECK_FALSE(test.made().upgrades());
  test.owner->is_serving = true;
  completion<upgrade_result> first, second;
  test.upgrade(new_program(live_on), first);
  test.upgrade(new_program(live_on), second);
  test.finish(second);
  CHECK(second.error == error::busy);
  CHECK(test.made().upgrades());
}

TEST_CASE("who replaces another process is nobody for others until that one has given way")
{
  cohort_test::replaced_program before{std::vector<passed_listener>()};
  fixture test;
  test.begin();
  CHECK(test.made().started_by_upgrade());
  CHECK(before.heard_ready());
  CHECK_FALSE(test.is_known());
  test.upgrade(new_program(live_on), test.result);
  test.finish(test.result);
  CHECK(test.result.error == error::busy);
  before.say(wire::leaving());
  CHECK(cohort_test::run_until(test.owner->context, [&] { return test.is_known(); }));
  CHECK(test.owner->failures.empty());
  completion<upgrade_result> again;
  test.upgrade(new_program("exit 3"), again);
  test.finish(again);
  CHECK(again.error == error::upgrade_failed);
}

TEST_CASE("what a process before this one says without sense is an error of the beginning")
{
  cohort_test::upgrade_channel before;
  before.say_bytes("garbage");
  predecessor::of_this_process().begin(before.take_other());
  fixture test;
  std::error_code error;
  test.made().claim(error);
  CHECK(error == cohort::error::protocol_violation);
  CHECK_FALSE(test.is_known());
  predecessor::of_this_process().begin(posix::unique_fd());
}

TEST_CASE("a pid file that cannot be taken over is reported, and the process goes on")
{
  cohort_test::replaced_program before{std::vector<passed_listener>()};
  fixture test;
  std::filesystem::create_directory(test.scratch.file("pid"));
  test.begin();
  before.close();
  CHECK(cohort_test::run_until(
      test.owner->context, [&] { return test.owner->failures.size() == 1; }));
  CHECK(test.owner->failures[0].what == "pid file");
}

} // namespace tenure_test
