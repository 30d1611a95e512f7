// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/supervisor_options.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>

namespace supervisor_options_test {

using namespace std::chrono_literals;
using cohort::supervisor_options;

TEST_CASE("options of a supervisor say what they were told, and else their defaults")
{
  const supervisor_options usual;
  CHECK(usual.handle_signals());
  CHECK(usual.drain_deadline() == 30s);
  CHECK_FALSE(usual.end_when_given_up());
  CHECK(usual.pid_file().empty());
  CHECK(usual.status_file().empty());
  CHECK(usual.notify_service_manager());

  supervisor_options own = supervisor_options().handle_signals(false).drain_deadline(1s);
  own.settings(cohort::settings().cwd("/tmp")).reload(cohort::reload_options().at_once(3));
  own.end_when_given_up(true).pid_file("/run/a.pid").status_file("/run/a.status", 2s);
  CHECK_FALSE(own.handle_signals());
  CHECK(own.drain_deadline() == 1s);
  CHECK(own.settings().cwd() == "/tmp");
  CHECK(own.reload().at_once_of(9) == 3);
  CHECK(own.end_when_given_up());
  CHECK(own.pid_file() == "/run/a.pid");
  CHECK(own.status_file() == "/run/a.status");
  CHECK(own.status_interval() == 2s);
  CHECK_FALSE(own.notify_service_manager(false).notify_service_manager());
  CHECK_THROWS_AS(own.status_file("/run/b", 0s), std::invalid_argument);
  CHECK(own.status_file() == "/run/a.status");
}

} // namespace supervisor_options_test
