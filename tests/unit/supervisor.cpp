// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/supervisor.hpp>

#include <cohort/message/json.hpp>

#include "support/event_loop.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <vector>

namespace supervisor_unit_test {

using namespace cohort;

static_assert(!std::is_copy_constructible_v<supervisor<>>);

TEST_CASE("a supervisor of no groups ends at once")
{
  asio::io_context context(1);
  supervisor<> master(context);
  cohort_test::completion<> result;
  master.run(result.handler());
  CHECK_FALSE(result.done());
  cohort_test::run_ready(context);
  CHECK(result.good());
  CHECK(master.workers().empty());
  CHECK(master.status_text().empty());
}

TEST_CASE("a group is asked for by its name")
{
  asio::io_context context(1);
  supervisor<> master(context);
  master.add(group("web").workers(3));
  CHECK_THROWS_AS(master.add(group("web")), std::invalid_argument);
  CHECK(master.workers("web").empty());
  CHECK_THROWS_AS(master.workers("mail"), std::out_of_range);
  CHECK_THROWS_AS(master.resize("mail", 1), std::out_of_range);
  CHECK_THROWS_AS(master.resume("mail"), std::out_of_range);
  CHECK(master.broadcast("web", boost::json::value(1)) == 0);
  CHECK(master.status_text() ==
        "group web workers 3 ready 0 starting 0 leaving 0 generation 0 state up\n");
}

TEST_CASE("a group can be taken away before anything runs, and its name is free then")
{
  asio::io_context context(1);
  supervisor<> master(context);
  master.add(group("web").workers(3)).add(group("mail").workers(1));
  cohort_test::completion<> removed, none;
  master.remove("web", removed.handler());
  CHECK_FALSE(removed.done());
  CHECK_THROWS_AS(master.workers("web"), std::out_of_range);
  CHECK_THROWS_AS(master.remove("web", std::chrono::seconds(1), none.handler()), std::out_of_range);
  master.add(group("web").workers(0));
  cohort_test::run_ready(context);
  CHECK(removed.good());
  CHECK_FALSE(none.done());
  CHECK(master.status_text().starts_with("group mail "));
}

TEST_CASE("a removal that is started late finds out what has happened")
{
  asio::io_context context(1);
  std::optional<supervisor<>> master(std::in_place, context);
  master->add(group("web").workers(1)).add(group("mail").workers(1));
  auto web = master->remove("web", asio::use_awaitable);
  auto twice = master->remove("web", asio::use_awaitable);
  auto mail = master->remove("mail", asio::use_awaitable);
  std::vector<std::error_code> ends;
  const auto end = [&](std::exception_ptr failure) {
    try {
      if (failure) std::rethrow_exception(failure);
      ends.emplace_back();
    } catch (const std::system_error& error) {
      ends.push_back(error.code());
    }
  };
  asio::co_spawn(context, std::move(web), end);
  cohort_test::run_ready(context);
  asio::co_spawn(context, std::move(twice), end);
  cohort_test::run_ready(context);
  master.reset();
  asio::co_spawn(context, std::move(mail), end);
  cohort_test::run_ready(context);
  CHECK(ends == std::vector<std::error_code>{{}, {}, asio::error::operation_aborted});
}

TEST_CASE("a supervisor that was ended before it ran does not run")
{
  asio::io_context context(1);
  supervisor<> master(context);
  master.add(group("web").workers(1));
  cohort_test::completion<std::vector<exit_event>> ended;
  cohort_test::completion<> result;
  master.disconnect(std::chrono::seconds(1), ended.handler());
  master.run(result.handler());
  cohort_test::run_ready(context);
  CHECK(ended.good());
  CHECK(result.error == error::shutting_down);
}

TEST_CASE("what is started when the supervisor is gone already ends")
{
  asio::io_context context(1);
  std::optional<supervisor<>> master(std::in_place, context);
  master->add(group("web").workers(1).program("/nowhere"));
  std::vector<std::error_code> ends;
  const auto note = [&](std::exception_ptr failure, const auto&...) {
    ends.emplace_back();
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const std::system_error& error) {
      ends.back() = error.code();
    }
  };
  const reload_options how;
  asio::co_spawn(context, master->run(asio::use_awaitable), note);
  asio::co_spawn(context, master->reload("web", how, asio::use_awaitable), note);
  asio::co_spawn(context, master->reload(how, asio::use_awaitable), note);
  asio::co_spawn(context, master->disconnect(std::chrono::seconds(1), asio::use_awaitable), note);
  master.reset();
  cohort_test::run_ready(context);
  CHECK(ends.size() == 4);
  // There was nobody who had to leave.
  CHECK(std::ranges::count(ends, error::shutting_down) == 3);
  CHECK(std::ranges::count(ends, std::error_code()) == 1);
}

TEST_CASE("a program that cannot be started ends when that is asked for")
{
  asio::io_context context(1);
  supervisor<> master(context, supervisor_options().end_when_given_up(true));
  const auto policy = restart_policy().boot_failures(1);
  master.add(group("web").workers(2).program("/nowhere").restarts(policy));
  cohort_test::completion<> result;
  master.run(result.handler());
  CHECK(cohort_test::run_until(context, [&] { return result.done(); }));
  CHECK(result.error == error::gave_up);
}

} // namespace supervisor_unit_test
