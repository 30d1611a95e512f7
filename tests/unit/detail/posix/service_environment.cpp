// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/posix/service_environment.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

namespace service_environment_test {

using namespace cohort::detail::posix;

TEST_CASE("a variable is read as it is, and is gone when it was taken")
{
  static constexpr const char* name = "COHORT_TEST_SERVICE";
  CHECK_FALSE(read_variable(name));
  CHECK_FALSE(take_variable(name));
  ::setenv(name, "", 1);
  CHECK(read_variable(name) == std::string());
  ::setenv(name, "a value", 1);
  CHECK(read_variable(name) == "a value");
  CHECK(take_variable(name) == "a value");
  CHECK_FALSE(read_variable(name));
}

} // namespace service_environment_test
