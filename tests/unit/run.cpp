// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/run.hpp>

#include <cohort/message/json.hpp>
#include <cohort/supervisor.hpp>

#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include "support/captured_errors.hpp"

#include <chrono>
#include <concepts>
#include <csignal>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace run_test {

using namespace std::chrono_literals;
using cohort::cluster;
using cohort::run_options;
using cohort::this_worker;
using cohort_test::captured_errors;

namespace {

asio::awaitable<void> supervise_nothing(cluster<>&) { co_return; }
asio::awaitable<void> serve_nothing(this_worker&) { co_return; }

static_assert(std::same_as<cohort::detail::subject_of<decltype(&supervise_nothing)>, cluster<>>);
static_assert(std::same_as<cohort::detail::subject_of<decltype(&serve_nothing)>, this_worker>);

asio::awaitable<void> supervise_groups(cohort::supervisor<>& master) { co_await master.run(); }
static_assert(cohort::detail::supervises_groups<decltype(&supervise_groups)>);
static_assert(!cohort::detail::supervises_groups<decltype(&supervise_nothing)>);

char* no_arguments[] = {nullptr};

template <class Supervise>
int run(Supervise supervise, run_options options = run_options())
{
  return cohort::run(0, no_arguments, supervise, serve_nothing, options);
}

} // namespace

TEST_CASE("options have the documented defaults, and can be chained")
{
  CHECK(run_options().drain_deadline() == 30s);
  CHECK_FALSE(run_options().settings().silent());
  const auto options = run_options().drain_deadline(1s).settings(cohort::settings().silent(true));
  CHECK(options.drain_deadline() == 1s);
  CHECK(options.settings().silent());
  run_options same;
  same.drain_deadline(2s).settings(cohort::settings().cwd("/"));
  CHECK(same.drain_deadline() == 2s);
  CHECK(same.settings().cwd() == "/");
}

TEST_CASE("a program that supervises nothing ends with 0") { CHECK(run(supervise_nothing) == 0); }

TEST_CASE("the arguments are those of main unless the options say otherwise")
{
  std::vector<std::string> seen;
  const auto look = [&seen](cluster<>& primary) -> asio::awaitable<void> {
    seen = *primary.current_settings().args();
    co_return;
  };
  std::string name = "program", first = "--one";
  char* arguments[] = {name.data(), first.data(), nullptr};
  CHECK(cohort::run(2, arguments, look, serve_nothing) == 0);
  CHECK(seen == std::vector<std::string>{"--one"});
  const auto own = cohort::settings().args(std::vector<std::string>(2, "x"));
  CHECK(cohort::run(2, arguments, look, serve_nothing, run_options().settings(own)) == 0);
  CHECK(seen == std::vector<std::string>(2, "x"));
}

TEST_CASE("an exception out of supervise is one line and the result 1")
{
  const captured_errors errors;
  const auto fail = [](cluster<>&) -> asio::awaitable<void> {
    throw std::runtime_error("no luck");
    co_return;
  };
  CHECK(run(fail) == 1);
  CHECK(errors.text() == "cohort: supervise: no luck\n");
}

TEST_CASE("what is no std::exception has a line too")
{
  const captured_errors errors;
  const auto fail = [](cluster<>&) -> asio::awaitable<void> {
    throw 5;
    co_return;
  };
  CHECK(run(fail) == 1);
  CHECK(errors.text() == "cohort: supervise: unknown exception\n");
}

TEST_CASE("shutting down and draining are a normal end, and an aborted wait only in an ending")
{
  const auto end = [](std::error_code error) {
    return std::make_exception_ptr(std::system_error(error));
  };
  using cohort::detail::is_normal_end;
  CHECK(is_normal_end(nullptr, false));
  CHECK(is_normal_end(end(cohort::error::shutting_down), false));
  CHECK(is_normal_end(end(cohort::error::draining), false));
  CHECK(is_normal_end(end(asio::error::operation_aborted), true));
  CHECK_FALSE(is_normal_end(end(asio::error::operation_aborted), false));
  CHECK_FALSE(is_normal_end(end(cohort::error::worker_gone), true));
  CHECK_FALSE(is_normal_end(std::make_exception_ptr(5), true));
}

TEST_CASE("a termination signal ends the program with 0, and what it awaits is cancelled")
{
  bool cancelled = false;
  const auto wait = [&cancelled](cluster<>& primary) -> asio::awaitable<void> {
    auto events = primary.subscribe<cohort::exit_event>();
    asio::post(primary.get_executor(), [] { std::raise(SIGTERM); });
    try {
      [[maybe_unused]] const auto event = co_await events.next();
    } catch (const std::system_error& error) {
      cancelled = error.code() == asio::error::operation_aborted;
      throw;
    }
  };
  CHECK(run(wait) == 0);
  CHECK(cancelled);
}

TEST_CASE("an exception out of supervise ends the workers first")
{
  const captured_errors errors;
  const auto fork_and_fail = [](cluster<>& primary) -> asio::awaitable<void> {
    co_await primary.co_fork();
    throw std::runtime_error("after all");
  };
  const auto how = cohort::settings().exec("/bin/sleep").args(std::vector<std::string>(1, "100"));
  CHECK(run(fork_and_fail, run_options().settings(how).drain_deadline(1ms)) == 1);
  CHECK(errors.text() == "cohort: supervise: after all\n");
}

TEST_CASE("a second signal kills the workers and is the result")
{
  const auto raise_twice = [](cluster<>& primary) -> asio::awaitable<void> {
    co_await primary.co_fork();
    // The first one begins an end that a worker which never drains would keep waiting.
    for (int i = 0; i != 2; ++i) {
      std::raise(SIGINT);
      co_await asio::post(primary.get_executor(), asio::use_awaitable);
    }
    co_await primary.idle();
  };
  const auto how = cohort::settings().exec("/bin/sleep").args(std::vector<std::string>(1, "100"));
  CHECK(run(raise_twice, run_options().settings(how)) == 128 + SIGINT);
}

TEST_CASE("a supervisor without groups is over at once, and so is the program")
{
  CHECK(run(supervise_groups) == 0);
  CHECK(cohort::run(0, no_arguments, supervise_groups, serve_nothing,
            cohort::supervisor_options().settings(cohort::settings().silent(true))) == 0);
}

TEST_CASE("a supervisor is made with the options that run is given")
{
  std::string name = "program", first = "--one";
  char* arguments[] = {name.data(), first.data(), nullptr};
  bool silent = false;
  std::vector<std::string> args;
  const auto look = [&](cohort::supervisor<>& master) -> asio::awaitable<void> {
    silent = master.cluster().current_settings().silent();
    args = *master.cluster().current_settings().args();
    co_return;
  };
  const auto how = cohort::settings().silent(true);
  CHECK(cohort::run(2, arguments, look, serve_nothing, run_options().settings(how)) == 0);
  CHECK(silent);
  CHECK(args == std::vector<std::string>{"--one"});
  silent = false;
  const auto options = cohort::supervisor_options().settings(how);
  CHECK(cohort::run(2, arguments, look, serve_nothing, options) == 0);
  CHECK(silent);
}

TEST_CASE("a second signal kills the workers of a supervisor, and is the result")
{
  const auto raise_twice = [](cohort::supervisor<>& master) -> asio::awaitable<void> {
    master.add(cohort::group("sleep")
                   .workers(1)
                   .program("/bin/sleep", {"1000"})
                   .ready_when(cohort::readiness::started));
    master.run([](std::error_code) {});
    for (int i = 0; i != 2; ++i) {
      std::raise(SIGTERM);
      co_await asio::post(master.get_executor(), asio::use_awaitable);
    }
    co_await master.idle();
  };
  CHECK(run(raise_twice) == 128 + SIGTERM);
}

} // namespace run_test
