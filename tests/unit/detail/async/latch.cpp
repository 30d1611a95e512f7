// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/async/latch.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

namespace latch_test {

using cohort::detail::latch;

namespace {

void run_ready(asio::io_context& context)
{
  context.restart();
  context.poll();
}

} // namespace

TEST_CASE("who waits before gets the result when it comes")
{
  asio::io_context context;
  latch<std::string> once(context.get_executor());
  std::optional<std::string> got;
  once.add([&](std::error_code, const std::string& value) { got = value; });
  run_ready(context);
  CHECK_FALSE(once.is_set());
  CHECK_FALSE(got.has_value());
  once.set(std::error_code(), "now");
  CHECK(once.is_set());
  CHECK_FALSE(got.has_value());
  run_ready(context);
  CHECK(got == "now");
}

TEST_CASE("who waits afterwards gets the result at once, but not inside the call")
{
  asio::io_context context;
  latch<std::string> once(context.get_executor());
  once.set(std::error_code(), "before");
  std::optional<std::string> got;
  once.add([&](std::error_code, const std::string& value) { got = value; });
  CHECK_FALSE(got.has_value());
  run_ready(context);
  CHECK(got == "before");
}

TEST_CASE("many may wait, and each gets the whole result, in their order")
{
  asio::io_context context;
  latch<std::string> once(context.get_executor());
  std::vector<std::string> got;
  for (int i = 0; i != 3; ++i)
    once.add([&, i](std::error_code, const std::string& value) {
      got.push_back(std::to_string(i) + value);
    });
  once.set(std::error_code(), "x");
  once.add([&](std::error_code, const std::string& value) { got.push_back("3" + value); });
  run_ready(context);
  CHECK(got == std::vector<std::string>{"0x", "1x", "2x", "3x"});
}

TEST_CASE("only the first result counts")
{
  asio::io_context context;
  latch<int> once(context.get_executor());
  once.set(asio::error::eof, 1);
  once.set(std::error_code(), 2);
  CHECK(std::get<0>(once.result()) == asio::error::eof);
  CHECK(std::get<1>(once.result()) == 1);
  std::error_code seen;
  once.add([&](std::error_code error, int) { seen = error; });
  run_ready(context);
  CHECK(seen == asio::error::eof);
}

TEST_CASE("a latch without a value works the same")
{
  asio::io_context context;
  latch<> once(context.get_executor());
  int calls = 0;
  once.add([&](std::error_code error) { calls += error ? 100 : 1; });
  once.set(std::error_code());
  once.add([&](std::error_code error) { calls += error ? 100 : 10; });
  run_ready(context);
  CHECK(calls == 11);
}

TEST_CASE("a cancelled wait does not hinder the result")
{
  asio::io_context context;
  latch<int> once(context.get_executor());
  asio::cancellation_signal signal;
  std::error_code cancelled;
  once.add(asio::bind_cancellation_slot(
      signal.slot(), [&](std::error_code error, int) { cancelled = error; }));
  signal.emit(asio::cancellation_type::total);
  once.set(std::error_code(), 5);
  int got = 0;
  once.add([&](std::error_code, int value) { got = value; });
  run_ready(context);
  CHECK(cancelled == asio::error::operation_aborted);
  CHECK(got == 5);
}

TEST_CASE("a latch that goes unset ends its waits with operation_aborted")
{
  asio::io_context context;
  std::optional<latch<int>> once(std::in_place, context.get_executor());
  std::error_code seen;
  once->add([&](std::error_code error, int) { seen = error; });
  once.reset();
  run_ready(context);
  CHECK(seen == asio::error::operation_aborted);
}

} // namespace latch_test
