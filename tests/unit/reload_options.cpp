// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/reload_options.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <stdexcept>

namespace reload_options_test {

using namespace std::chrono_literals;
using cohort::old_workers;
using cohort::reload_options;
using cohort::second_reload;

TEST_CASE("a reload is described by a chain of options")
{
  const reload_options usual;
  CHECK(usual.at_once_of(8) == 1);
  CHECK(usual.probation() == 0s);
  CHECK(usual.drain_deadline() == 30s);
  CHECK(usual.old() == old_workers::leave_together);
  CHECK(usual.when_running() == second_reload::is_refused);
  reload_options own = reload_options().probation(1s).drain_deadline(2s);
  own.old(old_workers::leave_one_by_one).when_running(second_reload::joins);
  own.settings(cohort::settings().cwd("/tmp"));
  CHECK(own.probation() == 1s);
  CHECK(own.drain_deadline() == 2s);
  CHECK(own.old() == old_workers::leave_one_by_one);
  CHECK(own.when_running() == second_reload::joins);
  CHECK(own.settings().cwd() == "/tmp");
}

TEST_CASE("how many are started at once is a number or a share; the last one said counts")
{
  reload_options how = reload_options().ratio(0.25);
  CHECK(how.at_once_of(8) == 2);
  CHECK(how.at_once_of(9) == 3);
  CHECK(how.at_once_of(0) == 1);
  CHECK(how.ratio(1).at_once_of(7) == 7);
  CHECK(how.at_once(3).at_once_of(100) == 3);
  CHECK_THROWS_AS(how.at_once(0), std::invalid_argument);
  for (const double share : {0.0, -1.0, 1.01, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(how.ratio(share), std::invalid_argument);
  CHECK(how.at_once_of(100) == 3);
}

} // namespace reload_options_test
