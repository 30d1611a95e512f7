// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/any_host.hpp>

#include <doctest/doctest.h>

#include <type_traits>

namespace any_host_test {

TEST_CASE("any host has a port, which may be any as well")
{
  CHECK(cohort::any_host(80).port() == 80);
  CHECK(cohort::any_host().port() == 0);
  static_assert(!std::is_convertible_v<int, cohort::any_host>);
}

} // namespace any_host_test
