// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/upgrade_options.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace upgrade_options_test {

using namespace std::chrono_literals;
using cohort::environment;
using cohort::upgrade_options;

TEST_CASE("unless it is said otherwise, the same program is started as this one was")
{
  const upgrade_options options;
  CHECK_FALSE(options.program());
  CHECK_FALSE(options.args());
  CHECK(options.env().values().empty());
  CHECK(options.env().removed().empty());
  CHECK(options.ready_deadline() == 60s);
  CHECK(options.drain_deadline() == 30s);
}

TEST_CASE("what is said is kept, in one expression or one after the other")
{
  const std::vector<std::string> args = {"--fast", ""};
  const auto options = upgrade_options()
                           .program("/opt/next")
                           .args(args)
                           .env(environment().set("A", "1"))
                           .ready_deadline(5s)
                           .drain_deadline(0s);
  CHECK(options.program() == "/opt/next");
  CHECK(options.args() == args);
  CHECK(options.env().values().at("A") == "1");
  CHECK(options.ready_deadline() == 5s);
  CHECK(options.drain_deadline() == 0s);
  upgrade_options other;
  other.program("x").args(std::vector<std::string>()).env(environment().set("B", "2"));
  other.ready_deadline(1ms).drain_deadline(2ms);
  CHECK(other.program() == "x");
  // None, which is not those of this program.
  CHECK(other.args() == std::vector<std::string>());
  CHECK(other.env().values().at("B") == "2");
  CHECK(other.ready_deadline() == 1ms);
  CHECK(other.drain_deadline() == 2ms);
}

TEST_CASE("a new program needs time to be ready")
{
  upgrade_options options;
  CHECK_THROWS_AS(options.ready_deadline(0s), std::invalid_argument);
  CHECK_THROWS_AS(options.ready_deadline(-1s), std::invalid_argument);
  CHECK(options.ready_deadline() == 60s);
}

} // namespace upgrade_options_test
