// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/upgrade_result.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <system_error>

namespace upgrade_result_test {

using cohort::exit_status;
using cohort::upgrade_outcome;
using cohort::upgrade_result;

TEST_CASE("a result says in words how the upgrade went")
{
  upgrade_result result;
  CHECK_FALSE(result.succeeded());
  CHECK(result.to_string() == "unknown");
  result.pid = 4711;
  result.outcome = upgrade_outcome::succeeded;
  CHECK(result.succeeded());
  CHECK(result.to_string() == "process 4711 has taken over");
  result.outcome = upgrade_outcome::exited;
  result.status = exit_status::exited(1);
  CHECK_FALSE(result.succeeded());
  CHECK(result.to_string() == "process 4711 ended before it was ready: exited with code 1");
  result.outcome = upgrade_outcome::not_ready;
  CHECK(result.to_string() == "process 4711 was not ready in time");
  result.outcome = upgrade_outcome::refused;
  CHECK(result.to_string() == "process 4711 did not speak as a new program does");
  result.outcome = upgrade_outcome::aborted;
  CHECK(result.to_string() == "aborted");
  result.outcome = upgrade_outcome::stopped;
  CHECK(result.to_string() == "this program is to end");
  result.outcome = upgrade_outcome::start_failed;
  result.error = std::make_error_code(std::errc::no_such_file_or_directory);
  CHECK(result.to_string() == "the new program could not be started: No such file or directory");
}

} // namespace upgrade_result_test
