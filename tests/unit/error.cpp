// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/error.hpp>

#include <asio/error.hpp>
#include <doctest/doctest.h>

#include <ostream>
#include <set>
#include <string>
#include <vector>

namespace error_test {

using cohort::condition;
using cohort::error;

namespace {

// In the order of their values, which go over the wire.
const std::vector<error> all_errors = {error::shutting_down, error::draining, error::worker_gone,
    error::disconnected, error::protocol_violation, error::version_mismatch,
    error::message_too_large, error::truncated, error::not_a_worker, error::events_lost,
    error::timed_out, error::invalid_message, error::unknown_message, error::schema_mismatch,
    error::wrong_handle, error::request_failed, error::queue_full, error::busy,
    error::reload_failed, error::gave_up, error::not_inherited, error::upgrade_failed};

} // namespace

TEST_CASE("each error has its value and a text of its own")
{
  std::set<std::string> texts;
  int value = 0;
  for (const error each : all_errors) {
    const std::error_code code = each;
    CHECK(code.value() == ++value);
    CHECK(code.category() == cohort::error_category());
    texts.insert(code.message());
  }
  CHECK(texts.size() == all_errors.size());
  CHECK_FALSE(texts.contains("unknown cohort error"));
}

TEST_CASE("a value that is no error of this version still has a text")
{
  const int beyond = static_cast<int>(all_errors.back()) + 1;
  CHECK(cohort::error_category().message(beyond) == "unknown cohort error");
  CHECK(cohort::error_category().message(0) == "unknown cohort error");
  CHECK(cohort::condition_category().message(3) == "unknown cohort condition");
}

TEST_CASE("the categories have different names")
{
  CHECK(std::string(cohort::error_category().name()) == "cohort");
  CHECK(std::string(cohort::condition_category().name()) == "cohort.condition");
}

TEST_CASE("ending means that the cluster or the worker ends, and nothing else")
{
  for (const error each : all_errors) {
    const bool expected = each == error::shutting_down || each == error::draining;
    CHECK((std::error_code(each) == condition::ending) == expected);
  }
  CHECK(std::error_code() != condition::ending);
  CHECK(std::error_code(asio::error::operation_aborted) != condition::ending);
}

TEST_CASE("peer_gone means that the other process is gone, whoever tells it")
{
  for (const error each : all_errors) {
    const bool expected = each == error::worker_gone || each == error::disconnected;
    CHECK((std::error_code(each) == condition::peer_gone) == expected);
  }
  CHECK(std::error_code(EPIPE, std::system_category()) == condition::peer_gone);
  CHECK(std::error_code(ECONNRESET, std::system_category()) == condition::peer_gone);
  CHECK(std::error_code(asio::error::connection_reset) == condition::peer_gone);
  CHECK(std::error_code(asio::error::broken_pipe) == condition::peer_gone);
  CHECK(std::error_code(ECONNREFUSED, std::system_category()) != condition::peer_gone);
  CHECK(std::error_code() != condition::peer_gone);
}

TEST_CASE("conditions have texts")
{
  CHECK(std::error_condition(condition::ending).message() == "a normal end is under way");
  CHECK(std::error_condition(condition::peer_gone).message() == "the other process is gone");
}

TEST_CASE("an unknown condition means no code at all")
{
  const std::error_condition unknown(99, cohort::condition_category());
  for (const error each : all_errors) CHECK(std::error_code(each) != unknown);
}

} // namespace error_test
