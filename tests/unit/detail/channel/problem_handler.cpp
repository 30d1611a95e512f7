// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/problem_handler.hpp>

#include <doctest/doctest.h>

#include "support/captured_errors.hpp"
#include "support/event_loop.hpp"

#include <cohort/error.hpp>

#include <asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace problem_handler_test {

using namespace cohort_test;
using cohort::channel_problem;
using cohort::detail::posted_problems;
using handler = std::function<void(const channel_problem&)>;

TEST_CASE("problems are told on the executor, in order and with what they are")
{
  asio::io_context context(1);
  std::vector<channel_problem> told;
  const handler tell = posted_problems(
      context.get_executor(), [&](const channel_problem& found) { told.push_back(found); });
  {
    const channel_problem first{cohort::error::invalid_message, "first"};
    tell(first);
  }
  tell({cohort::error::unknown_message, "second"});
  CHECK(told.empty());
  run_ready(context);
  REQUIRE(told.size() == 2);
  CHECK(told[0].code == cohort::error::invalid_message);
  CHECK(told[0].what == "first");
  CHECK(told[1].code == cohort::error::unknown_message);
  CHECK(told[1].what == "second");
}

TEST_CASE("a problem found while one is told is told later")
{
  asio::io_context context(1);
  handler tell;
  std::vector<std::string> told;
  bool inside = false;
  tell = posted_problems(context.get_executor(), [&](const channel_problem& found) {
    CHECK_FALSE(inside);
    inside = true;
    told.push_back(found.what);
    if (told.size() == 1) tell({{}, "second"});
    inside = false;
  });
  tell({{}, "first"});
  run_ready(context);
  CHECK(told == std::vector<std::string>{"first", "second"});
}

TEST_CASE("when the function is dropped, what is on its way is not told, and nothing is kept")
{
  asio::io_context context(1);
  const auto kept = std::make_shared<int>();
  int told = 0;
  handler tell =
      posted_problems(context.get_executor(), [&told, kept](const channel_problem&) { ++told; });
  tell({{}, "on its way"});
  tell = nullptr;
  CHECK(kept.use_count() == 1);
  run_ready(context);
  CHECK(told == 0);
}

TEST_CASE("the function may drop itself while it is called")
{
  asio::io_context context(1);
  const auto kept = std::make_shared<int>();
  handler tell;
  int told = 0;
  tell = posted_problems(context.get_executor(), [&, kept](const channel_problem&) {
    tell = nullptr;
    // It still has what it captured.
    told += static_cast<int>(kept.use_count() > 1);
  });
  tell({{}, "first"});
  tell({{}, "second"});
  run_ready(context);
  CHECK(told == 1);
  CHECK(kept.use_count() == 1);
}

TEST_CASE("a copy tells as well, as long as one of them is there")
{
  asio::io_context context(1);
  int told = 0;
  handler tell = posted_problems(context.get_executor(), [&](const channel_problem&) { ++told; });
  const handler copy = tell;
  tell({{}, "first"});
  tell = nullptr;
  run_ready(context);
  CHECK(told == 1);
}

TEST_CASE("no function is nothing to call")
{
  asio::io_context context(1);
  const handler tell = posted_problems(context.get_executor(), nullptr);
  tell({{}, "nobody"});
  run_ready(context);
}

TEST_CASE("a problem that is printed is one line, whatever is in it")
{
  const captured_errors errors;
  cohort::detail::print_problem(
      "somebody", {cohort::error::unknown_message, "a\nb\r\x7f\t\xc3\xa9"});
  cohort::detail::print_problem("somebody", {cohort::error::unknown_message, ""});
  const std::string start =
      "cohort: somebody: " + make_error_code(cohort::error::unknown_message).message() + ": ";
  CHECK(errors.text() == start + "a?b???\xc3\xa9\n" + start + '\n');
}

} // namespace problem_handler_test
