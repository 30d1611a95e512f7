// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/primary_loss.hpp>

#include <doctest/doctest.h>

#include <asio/error.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace primary_loss_test {

using namespace std::chrono_literals;
using cohort::detail::primary_loss;

namespace {

// With what a process ends that has these last words.
int status_of(std::function<int()> words)
{
  const pid_t child = ::fork();
  if (child == 0) {
    primary_loss loss;
    loss.set_last_words(std::move(words));
    loss.end_process([] {});
    ::_exit(99);
  }
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  return WEXITSTATUS(status);
}

} // namespace

TEST_CASE("a worker ends at once unless it may drain, or was about to")
{
  primary_loss loss;
  CHECK_FALSE(loss.drain(false));
  CHECK(loss.drain(true) == 30s);
  loss.set_drain(5s);
  CHECK(loss.drain(false) == 5s);
  CHECK(loss.drain(true) == 5s);
  loss.set_drain(std::nullopt);
  CHECK_FALSE(loss.drain(false));
}

TEST_CASE("the end of the stream is nobody's fault, not even in a frame; nonsense is")
{
  CHECK_FALSE(primary_loss::is_violation(std::error_code()));
  CHECK_FALSE(primary_loss::is_violation(asio::error::eof));
  CHECK_FALSE(primary_loss::is_violation(cohort::error::truncated));
  CHECK(primary_loss::is_violation(cohort::error::protocol_violation));
  CHECK(primary_loss::is_violation(cohort::error::version_mismatch));
}

TEST_CASE("the last words give the status, and are none unless somebody has some")
{
  CHECK(status_of(nullptr) == 0);
  CHECK(status_of([] { return 42; }) == 42);
}

TEST_CASE("last words that throw leave everything in order, and are not said again")
{
  primary_loss loss;
  int said = 0, cleaned = 0;
  loss.set_last_words([&]() -> int {
    ++said;
    throw std::runtime_error("not today");
  });
  CHECK_THROWS_AS(loss.end_process([&] { ++cleaned; }), std::runtime_error);
  CHECK(said == 1);
  CHECK(cleaned == 1);
}

} // namespace primary_loss_test
