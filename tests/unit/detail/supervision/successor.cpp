// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/successor.hpp>

#include "support/event_loop.hpp"
#include "support/new_program.hpp"
#include "support/upgrade_channel.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace successor_test {

using namespace cohort;
using namespace cohort::detail;
using namespace std::chrono_literals;
using cohort_test::count_descriptors;
using cohort_test::live_on;
using cohort_test::new_program;
using cohort_test::say_ready;

namespace {

struct noting_host final : upgrade_host {
  void hand_over(pid_t successor, int, std::error_code& error) override
  {
    error = cannot;
    if (busy != 0 && busy-- != 0) error = {EAGAIN, std::system_category()};
    if (!error) handed_to = successor;
  }
  void keep(posix::unique_fd channel) override { kept = std::move(channel); }
  void upgrade_over(const upgrade_result& what) override
  {
    ++times;
    result = what;
  }

  std::error_code cannot;
  // So many times nobody has room to hear of it.
  int busy = 0;
  pid_t handed_to = 0;
  posix::unique_fd kept;
  int times = 0;
  upgrade_result result;
};

struct fixture {
  fixture()
  {
    // What a context opens for its first wait, it has then.
    asio::posix::stream_descriptor opened(context);
    before = count_descriptors();
  }
  ~fixture()
  {
    if (made) made->close();
    context.restart();
    context.run_for(10s * cohort_test::time_factor());
    CHECK(context.stopped());
    made.reset();
    if (host.handed_to != 0) CHECK(cohort_test::end_new_program(host.handed_to));
    CHECK(cohort_test::has_no_child());
    host.kept.reset();
    CHECK(count_descriptors() == before);
  }

  void start(const upgrade_options& how, const std::vector<passed_listener>& listeners = {})
  {
    made = std::make_shared<successor>(context.get_executor(), host);
    made->wait(asio::bind_cancellation_slot(cancel.slot(), told.handler()));
    made->start(how, listeners);
  }
  // Until the host has heard of the end, and who waits as well.
  const upgrade_result& end()
  {
    CHECK(cohort_test::run_until(context, [this] { return host.times != 0 && told.done(); }));
    CHECK(host.times == 1);
    CHECK(told.times == 1);
    return host.result;
  }

  asio::io_context context{1};
  std::size_t before = 0;
  noting_host host;
  asio::cancellation_signal cancel;
  cohort_test::completion<upgrade_result> told;
  std::shared_ptr<successor> made;
};

} // namespace

TEST_CASE("a new program that is ready counts, hears that all is its own, and is left to itself")
{
  const cohort_test::scratch_directory scratch;
  const std::string heard = scratch.file("heard");
  fixture test;
  // Only one packet can come, which may take a while: the rest was said before it began.
  const std::string skip = "dd bs=70000 count=1 <&3 >/dev/null 2>&1; ";
  const std::string hear = "dd bs=70000 count=1 <&3 2>/dev/null >" + heard + ".new";
  test.start(new_program(skip + skip + say_ready() + "until [ -s " + heard + ".new ]; do " + hear +
                         "; done; mv " + heard + ".new " + heard + "; " + live_on));
  const upgrade_result& result = test.end();
  CHECK(result.succeeded());
  CHECK(result.pid == test.host.handed_to);
  CHECK(test.told.good());
  CHECK(test.told.value.pid == result.pid);
  CHECK(test.host.kept);
  const auto limit = std::chrono::steady_clock::now() + 10s * cohort_test::time_factor();
  while (!std::filesystem::exists(heard)) REQUIRE(std::chrono::steady_clock::now() < limit);
  std::ifstream file(heard, std::ios::binary);
  CHECK(file.get() == static_cast<int>(wire::message_type::leaving));
}

TEST_CASE("a program that cannot be started is an error, of which nothing is left")
{
  fixture test;
  test.start(upgrade_options().program("/nowhere/at/all"));
  // Never from in there.
  CHECK_FALSE(test.told.done());
  const upgrade_result& result = test.end();
  CHECK(result.outcome == upgrade_outcome::start_failed);
  CHECK(result.error == std::errc::no_such_file_or_directory);
  CHECK(result.pid == 0);
  CHECK(test.told.error == error::upgrade_failed);
  CHECK(test.told.value.error == result.error);
  CHECK(test.host.handed_to == 0);
}

TEST_CASE("a program that ends before it is ready is told with its status")
{
  fixture test;
  test.start(new_program("exit 3"));
  const upgrade_result& result = test.end();
  CHECK(result.outcome == upgrade_outcome::exited);
  CHECK(result.status == exit_status::exited(3));
  CHECK(result.pid > 0);
  CHECK(test.told.error == error::upgrade_failed);
  CHECK(test.told.value.status == result.status);
}

TEST_CASE("a program that is not ready in time is killed")
{
  fixture test;
  test.start(new_program(live_on).ready_deadline(20ms));
  const upgrade_result& result = test.end();
  CHECK(result.outcome == upgrade_outcome::not_ready);
  CHECK(result.status.signal() == SIGTERM);
  CHECK(test.told.error == error::upgrade_failed);
}

TEST_CASE("a program that closes its channel and lives is waited for until its time is over")
{
  fixture test;
  test.start(new_program(std::string("exec 3>&-; ") + live_on).ready_deadline(200ms));
  test.context.restart();
  std::size_t handlers = 0;
  const auto limit = std::chrono::steady_clock::now() + 10s * cohort_test::time_factor();
  while (!test.told.done() && test.context.run_one_until(limit) != 0) ++handlers;
  CHECK(test.end().outcome == upgrade_outcome::not_ready);
  // It is not looked at again and again.
  CHECK(handlers < 50);
}

TEST_CASE("a program that says something else is ended at once")
{
  for (const char* const said : {"printf hello >&3; ", "printf '\\377' >&3; "}) {
    fixture test;
    test.start(new_program(std::string(said) + live_on));
    const upgrade_result& result = test.end();
    CHECK(result.outcome == upgrade_outcome::refused);
    CHECK(result.status.signal() == SIGTERM);
    CHECK(test.told.error == error::upgrade_failed);
  }
}

TEST_CASE("a program that cannot be announced is ended, and why is told")
{
  fixture test;
  test.host.cannot = std::make_error_code(std::errc::connection_refused);
  test.start(new_program(say_ready() + live_on));
  const upgrade_result& result = test.end();
  CHECK(result.outcome == upgrade_outcome::not_announced);
  CHECK(result.error == std::errc::connection_refused);
  CHECK(result.status.signal() == SIGTERM);
  CHECK(result.to_string() == "the service manager could not be told of process " +
                                  std::to_string(result.pid) + ": Connection refused");
  CHECK(test.told.error == error::upgrade_failed);
  CHECK_FALSE(test.host.kept);
}

TEST_CASE("who has no room to hear of a new program is told again, until its time is over")
{
  fixture test;
  SUBCASE("and hears of it")
  {
    test.host.busy = 2;
    test.start(new_program(say_ready() + live_on));
    const upgrade_result& result = test.end();
    CHECK(result.succeeded());
    CHECK_FALSE(result.error);
    CHECK(result.pid == test.host.handed_to);
    CHECK(test.host.kept);
  }
  SUBCASE("and does not")
  {
    test.host.busy = 1'000'000;
    test.start(
        new_program(say_ready() + live_on).ready_deadline(300ms * cohort_test::time_factor()));
    const upgrade_result& result = test.end();
    CHECK(test.host.busy < 1'000'000);
    CHECK(result.outcome == upgrade_outcome::not_announced);
    CHECK(result.error == std::errc::resource_unavailable_try_again);
    CHECK(result.status.signal() == SIGTERM);
  }
  SUBCASE("and it ends meanwhile")
  {
    test.host.busy = 1'000'000;
    test.start(new_program(say_ready() + "exit 3"));
    const upgrade_result& result = test.end();
    CHECK(result.outcome == upgrade_outcome::exited);
    CHECK(result.status == exit_status::exited(3));
    CHECK_FALSE(result.error);
  }
}

TEST_CASE("a program that does not end when it is asked to is killed when that is to be at once")
{
  const cohort_test::scratch_directory scratch;
  const std::string deaf = scratch.file("deaf");
  fixture test;
  test.start(new_program("trap '' TERM; : >" + deaf + "; " + live_on));
  const auto limit = std::chrono::steady_clock::now() + 10s * cohort_test::time_factor();
  while (!std::filesystem::exists(deaf)) REQUIRE(std::chrono::steady_clock::now() < limit);
  test.made->kill();
  CHECK(test.end().outcome == upgrade_outcome::stopped);
  CHECK(test.host.result.status.signal() == SIGKILL);
}

TEST_CASE("an upgrade for which nobody waits any more ends the new program")
{
  fixture test;
  test.start(new_program(live_on));
  test.cancel.emit(asio::cancellation_type::total);
  CHECK(cohort_test::run_until(test.context, [&] { return test.told.done(); }));
  CHECK(test.told.error == asio::error::operation_aborted);
  const upgrade_result& result = test.end();
  CHECK(result.outcome == upgrade_outcome::aborted);
  CHECK(result.status.signal() == SIGTERM);
}

TEST_CASE("a program that is to end takes the new one along, and says so")
{
  fixture test;
  test.start(new_program(live_on));
  test.made->stop();
  test.made->stop();
  CHECK(test.host.times == 0);
  CHECK(test.end().outcome == upgrade_outcome::stopped);
  CHECK(test.told.error == error::shutting_down);
}

TEST_CASE("a host that goes away hears nothing, and the new program is killed")
{
  fixture test;
  test.start(new_program(live_on));
  test.made->close();
  CHECK(cohort_test::run_until(test.context, [&] { return test.told.done(); }));
  CHECK(test.told.error == asio::error::operation_aborted);
  CHECK(cohort_test::run_until(test.context, [] { return cohort_test::has_no_child(); }));
  CHECK(test.host.times == 0);
}

TEST_CASE("what is more than its channel holds is not passed to a new program")
{
  fixture test;
  std::vector<passed_listener> many;
  many.push_back(cohort_test::listener_at(cohort_test::loopback_key()));
  std::error_code error;
  while (many.front().sockets.size() <= posix::max_passed_fds)
    many.front().sockets.push_back(posix::duplicate(many.front().sockets.front().get(), error));
  test.start(new_program(live_on), many);
  const upgrade_result& result = test.end();
  CHECK(result.outcome == upgrade_outcome::start_failed);
  CHECK(result.error == std::errc::invalid_argument);
  CHECK(result.pid == 0);
}

TEST_CASE("the new program has the path, arguments and variables of this one, or what is said")
{
  const auto has = [](const posix::child_options& how, const std::string& entry) {
    return std::ranges::find(how.envp, entry) != how.envp.end();
  };
  ::setenv("COHORT_SUCCESSOR_TEST", "here", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  const auto same = upgrade_command(upgrade_options());
  CHECK(same.path == posix::started_path());
  REQUIRE(!same.argv.empty());
  CHECK(same.argv.front() == same.path);
  CHECK(std::vector(same.argv.begin() + 1, same.argv.end()) == posix::program_arguments());
  CHECK(has(same, "COHORT_SUCCESSOR_TEST=here"));
  CHECK(has(same, "COHORT_UPGRADE_FD=3"));
  CHECK_FALSE(has(same, "WATCHDOG_PID=1"));
  ::unsetenv("WATCHDOG_PID");
  environment variables = environment().remove("COHORT_SUCCESSOR_TEST").set("MORE", "1");
  const auto other =
      upgrade_command(upgrade_options().program("/opt/next").args({"a"}).env(std::move(variables)));
  CHECK(other.argv == std::vector<std::string>{"/opt/next", "a"});
  CHECK_FALSE(has(other, "COHORT_SUCCESSOR_TEST=here"));
  CHECK(has(other, "MORE=1"));
  ::unsetenv("COHORT_SUCCESSOR_TEST");
}

} // namespace successor_test
