// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// With programs that are new ones indeed: tests/process/upgrade.cpp.
#include <cohort/upgrade.hpp>

#include <cohort/message/json.hpp>

#include "support/event_loop.hpp"
#include "support/new_program.hpp"
#include "support/scratch.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace upgrade_unit_test {

using namespace cohort;
using namespace std::chrono_literals;
using cohort_test::completion;
using cohort_test::live_on;
using cohort_test::new_program;
using cohort_test::say_ready;

namespace {

using result_of = completion<upgrade_result>;

// A supervisor of one program that knows nothing of clusters.
struct upgrade_test {
  upgrade_test()
  {
    master->add(
        group("web").workers(1).program("/bin/sleep", {"1000"}).ready_when(readiness::started));
  }
  ~upgrade_test()
  {
    master.reset();
    CHECK(cohort_test::run_until(context, [] { return cohort_test::has_no_child(); }));
  }

  void run() { master->run(ended.handler()); }
  const upgrade_result& finish(result_of& result)
  {
    CHECK(cohort_test::run_until(context, [&] { return result.done(); }));
    CHECK(result.times == 1);
    return result.value;
  }
  // Still there, and can be replaced as before.
  void serves()
  {
    cohort_test::run_ready(context);
    CHECK_FALSE(ended.done());
    CHECK(master->workers("web").size() == 1);
    result_of again;
    // The one before may be about to end.
    const auto limit = std::chrono::steady_clock::now() + 10s * cohort_test::time_factor();
    do {
      REQUIRE(std::chrono::steady_clock::now() < limit);
      again = result_of();
      upgrade(*master, new_program("exit 7"), again.handler());
      finish(again);
    } while (again.error == error::busy);
    CHECK(again.value.status == exit_status::exited(7));
  }

  asio::io_context context{1};
  std::optional<supervisor<>> master{
      std::in_place, context, supervisor_options().handle_signals(false)};
  completion<> ended;
};

} // namespace

TEST_CASE("a supervisor that does not run, or is to end, is not replaced")
{
  upgrade_test test;
  result_of early, late;
  upgrade(*test.master, new_program(live_on), early.handler());
  CHECK_FALSE(early.done());
  test.finish(early);
  CHECK(early.error == error::shutting_down);
  CHECK(early.value.pid == 0);
  test.run();
  completion<std::vector<exit_event>> left;
  test.master->disconnect(5s, left.handler());
  upgrade(*test.master, new_program(live_on), late.handler());
  test.finish(late);
  CHECK(late.error == error::shutting_down);
  CHECK(cohort_test::run_until(test.context, [&] { return left.done() && test.ended.done(); }));
}

TEST_CASE("there is one upgrade at a time")
{
  upgrade_test test;
  test.run();
  asio::cancellation_signal cancel;
  result_of first, second;
  upgrade(*test.master, new_program(live_on),
      asio::bind_cancellation_slot(cancel.slot(), first.handler()));
  upgrade(*test.master, new_program(live_on), second.handler());
  test.finish(second);
  CHECK(second.error == error::busy);
  CHECK(second.value.outcome == upgrade_outcome::unknown);
  CHECK_FALSE(first.done());
  cancel.emit(asio::cancellation_type::terminal);
  test.finish(first);
  CHECK(first.error == asio::error::operation_aborted);
  // It is under way until nothing of the new program is left: that of the supervisor alone is.
  result_of third;
  const auto is_over = [&] {
    if (third.done() && third.error != error::busy) return true;
    if (third.done()) third = result_of();
    if (third.times == 0) upgrade(*test.master, new_program("exit 1"), third.handler());
    return false;
  };
  CHECK(cohort_test::run_until(test.context, is_over));
  CHECK(third.value.outcome == upgrade_outcome::exited);
  test.serves();
}

TEST_CASE("a failed upgrade says why, as a result and as an event, and changes nothing")
{
  upgrade_test test;
  auto failures = test.master->subscribe<error_event>();
  completion<error_event> told;
  failures.next(told.handler());
  test.run();
  const std::size_t before = cohort_test::count_descriptors();
  result_of none, ended, late;
  upgrade(*test.master, upgrade_options().program("/nowhere"), none.handler());
  CHECK(test.finish(none).outcome == upgrade_outcome::start_failed);
  CHECK(none.error == error::upgrade_failed);
  CHECK(none.value.error == std::errc::no_such_file_or_directory);
  CHECK(cohort_test::run_until(test.context, [&] { return told.done(); }));
  CHECK(told.value.code == error::upgrade_failed);
  CHECK(told.value.what == "upgrade: " + none.value.to_string());

  upgrade(*test.master, new_program("exit 3"), ended.handler());
  CHECK(test.finish(ended).outcome == upgrade_outcome::exited);
  CHECK(ended.error == error::upgrade_failed);
  CHECK(ended.value.status == exit_status::exited(3));

  upgrade(*test.master, new_program(live_on).ready_deadline(10ms), late.handler());
  CHECK(test.finish(late).outcome == upgrade_outcome::not_ready);
  CHECK(late.error == error::upgrade_failed);
  CHECK(late.value.status.signal() == SIGTERM);
  CHECK(cohort_test::count_descriptors() == before);
  test.serves();
}

TEST_CASE("when the new program counts, the workers of this one leave, and its run ends")
{
  upgrade_test test;
  test.run();
  result_of result;
  upgrade(*test.master, new_program(say_ready() + live_on), result.handler());
  CHECK(test.finish(result).succeeded());
  CHECK(!result.error);
  CHECK(cohort_test::run_until(test.context, [&] { return test.ended.done(); }));
  CHECK(test.ended.good());
  CHECK(test.master->workers().empty());
  CHECK(cohort_test::end_new_program(result.value.pid));
}

TEST_CASE("an upgrade that fails does not end a supervisor without groups")
{
  upgrade_test test;
  test.run();
  completion<> removed;
  test.master->remove("web", 5s, removed.handler());
  CHECK(cohort_test::run_until(test.context, [&] { return removed.done(); }));
  result_of result;
  upgrade(*test.master, new_program("exit 3"), result.handler());
  CHECK(test.finish(result).outcome == upgrade_outcome::exited);
  cohort_test::run_ready(test.context);
  CHECK_FALSE(test.ended.done());
}

TEST_CASE("a kill reaches a new program that does not listen to anything else")
{
  const cohort_test::scratch_directory scratch;
  const std::string deaf = scratch.file("deaf");
  upgrade_test test;
  test.run();
  result_of result;
  upgrade(*test.master, new_program("trap '' TERM; : >" + deaf + "; " + live_on), result.handler());
  const auto limit = std::chrono::steady_clock::now() + 10s * cohort_test::time_factor();
  while (!std::filesystem::exists(deaf)) REQUIRE(std::chrono::steady_clock::now() < limit);
  test.master->disconnect(5s, [](std::error_code, const std::vector<exit_event>&) {});
  test.master->kill(SIGKILL);
  CHECK(test.finish(result).status.signal() == SIGKILL);
  CHECK(cohort_test::run_until(test.context, [&] { return test.ended.done(); }));
}

TEST_CASE("a supervisor that ends while it is replaced waits until the new program is gone")
{
  upgrade_test test;
  test.run();
  result_of result;
  std::optional<bool> is_alone;
  upgrade(*test.master, new_program(live_on), result.handler());
  test.master->disconnect(5s, [&](std::error_code, const std::vector<exit_event>&) {
    is_alone = cohort_test::has_no_child();
  });
  CHECK(test.finish(result).outcome == upgrade_outcome::stopped);
  CHECK(result.error == error::shutting_down);
  CHECK(cohort_test::run_until(test.context, [&] { return test.ended.done(); }));
  CHECK(cohort_test::has_no_child());
  CHECK(cohort_test::run_until(test.context, [&] { return is_alone.has_value(); }));
  CHECK(is_alone == true);
}

TEST_CASE("a supervisor that goes away takes the new program along")
{
  upgrade_test test;
  test.run();
  result_of result;
  upgrade(*test.master, new_program(live_on), result.handler());
  test.master.reset();
  test.finish(result);
  CHECK(result.error == asio::error::operation_aborted);
}

TEST_CASE("an upgrade can be awaited")
{
  upgrade_test test;
  test.run();
  std::string said;
  const auto body = [](supervisor<>& master, std::string& text) -> asio::awaitable<void> {
    const upgrade_options how = new_program("exit 4");
    try {
      const upgrade_result result = co_await upgrade(master, how);
      text = result.to_string();
    } catch (const std::system_error& failure) {
      text = failure.code() == error::upgrade_failed ? "failed" : failure.what();
    }
  };
  asio::co_spawn(test.context, body(*test.master, said), [](std::exception_ptr) {});
  CHECK(cohort_test::run_until(test.context, [&] { return !said.empty(); }));
  CHECK(said == "failed");
}

} // namespace upgrade_unit_test
