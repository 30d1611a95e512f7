// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/environment.hpp>

#include <doctest/doctest.h>

#include <string_view>

namespace environment_test {

using cohort::environment;
using namespace std::string_view_literals;

TEST_CASE("an environment is empty at first") { CHECK(environment().values().empty()); }

TEST_CASE("the last value of a name counts")
{
  environment variables;
  variables.set("A", "1").set("B", "2").set("A", "3");
  CHECK(variables.values().size() == 2);
  CHECK(variables.values().at("A") == "3");
  CHECK(variables.values().at("B") == "2");
}

TEST_CASE("a temporary environment can be chained into an argument")
{
  const environment variables = environment().set("A", "1").set("B", "");
  CHECK(variables.values().size() == 2);
  CHECK(variables.values().at("B").empty());
}

TEST_CASE("a value may hold anything but a NUL byte")
{
  environment variables;
  variables.set("A", "x=y\nz");
  CHECK(variables.values().at("A") == "x=y\nz");
  CHECK_THROWS_AS(variables.set("B", "x\0y"sv), std::invalid_argument);
  CHECK_FALSE(variables.values().contains("B"));
}

TEST_CASE("a name that no environment can hold is refused")
{
  environment variables;
  CHECK_THROWS_AS(variables.set("", "1"), std::invalid_argument);
  CHECK_THROWS_AS(variables.set("A=B", "1"), std::invalid_argument);
  CHECK_THROWS_AS(variables.set("A\0B"sv, "1"), std::invalid_argument);
  CHECK(variables.values().empty());
}

TEST_CASE("what is removed is not set, and the other way round")
{
  environment variables = environment().set("A", "1").remove("A").remove("B");
  CHECK(variables.values().empty());
  CHECK(variables.removed().size() == 2);
  CHECK(variables.removed().contains("A"));
  variables.set("A", "2");
  CHECK(variables.values().at("A") == "2");
  CHECK_FALSE(variables.removed().contains("A"));
  CHECK(variables.removed().contains("B"));
}

TEST_CASE("only what could be a name can be removed")
{
  environment variables;
  CHECK_THROWS_AS(variables.remove(""), std::invalid_argument);
  CHECK_THROWS_AS(variables.remove("A=B"), std::invalid_argument);
  CHECK_THROWS_AS(variables.remove("A\0B"sv), std::invalid_argument);
  CHECK(variables.removed().empty());
}

TEST_CASE("of two environments the upper one counts, name by name")
{
  environment below = environment().set("A", "1").set("B", "2").remove("C").remove("D");
  below.overlay(environment().set("A", "3").remove("B").set("C", "4").set("E", "5"));
  CHECK(below.values() == std::map<std::string, std::string>{{"A", "3"}, {"C", "4"}, {"E", "5"}});
  CHECK(below.removed() == std::set<std::string>{"B", "D"});
}

} // namespace environment_test
