// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/exit_status.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <sstream>

namespace exit_status_test {

using cohort::exit_status;

TEST_CASE("a process that ended by itself has a code and no signal")
{
  const auto status = exit_status::exited(3);
  CHECK(status.known());
  CHECK(status.has_code());
  CHECK_FALSE(status.has_signal());
  CHECK_FALSE(status.success());
  CHECK(status.code() == 3);
  CHECK(status.signal() == 0);
  CHECK(status.to_string() == "exited with code 3");
}

TEST_CASE("only code 0 is a success")
{
  CHECK(exit_status::exited(0).success());
  CHECK_FALSE(exit_status::exited(1).success());
  CHECK_FALSE(exit_status::signalled(SIGTERM).success());
  CHECK_FALSE(exit_status().success());
}

TEST_CASE("a process that a signal ended has its number and no code")
{
  const auto status = exit_status::signalled(SIGKILL);
  CHECK(status.known());
  CHECK(status.has_signal());
  CHECK_FALSE(status.has_code());
  CHECK(status.signal() == SIGKILL);
  CHECK(status.code() == -1);
  CHECK(status.to_string() == "killed by SIGKILL");
}

TEST_CASE("a signal without a name is told by its number")
{
  const int number = SIGRTMIN + 2;
  CHECK(exit_status::signalled(number).to_string() == "killed by signal " + std::to_string(number));
}

TEST_CASE("a status that somebody else took is unknown")
{
  const exit_status status;
  CHECK_FALSE(status.known());
  CHECK_FALSE(status.has_code());
  CHECK_FALSE(status.has_signal());
  CHECK(status.code() == -1);
  CHECK(status.signal() == 0);
  CHECK(status.to_string() == "ended with unknown status");
}

TEST_CASE("statuses compare by kind and value, and can be printed")
{
  CHECK(exit_status::exited(9) == exit_status::exited(9));
  CHECK(exit_status::exited(9) != exit_status::exited(8));
  CHECK(exit_status::exited(9) != exit_status::signalled(9));
  CHECK(exit_status::exited(0) != exit_status());
  std::ostringstream text;
  text << exit_status::signalled(SIGTERM);
  CHECK(text.str() == "killed by SIGTERM");
}

} // namespace exit_status_test
