// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/reload_result.hpp>

#include <doctest/doctest.h>

namespace reload_result_test {

using cohort::exit_status;
using cohort::reload_outcome;
using cohort::reload_result;

TEST_CASE("a result says in words how the reload went")
{
  reload_result result;
  CHECK_FALSE(result.succeeded());
  CHECK(result.to_string() == "unknown");
  result.generation = 3;
  result.outcome = reload_outcome::succeeded;
  CHECK(result.succeeded());
  CHECK(result.to_string() == "generation 3 runs");
  result.outcome = reload_outcome::died;
  result.worker = 7;
  result.status = exit_status::exited(2);
  CHECK_FALSE(result.succeeded());
  CHECK(result.to_string() == "worker 7 died: exited with code 2");
  result.outcome = reload_outcome::not_ready;
  CHECK(result.to_string() == "worker 7 was not ready in time");
  result.worker = 0;
  result.outcome = reload_outcome::died;
  CHECK(result.to_string() == "too many workers died");
  result.outcome = reload_outcome::start_failed;
  result.error = std::make_error_code(std::errc::no_such_file_or_directory);
  CHECK(result.to_string() == "a worker could not be started: No such file or directory");
  result.outcome = reload_outcome::aborted;
  CHECK(result.to_string() == "aborted");
  result.outcome = reload_outcome::stopped;
  CHECK(result.to_string() == "the workers are to end");
}

} // namespace reload_result_test
