// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/inherited_fd.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <type_traits>

namespace inherited_fd_test {

TEST_CASE("an inherited descriptor has a number that one can have")
{
  CHECK(cohort::inherited_fd(3).number() == 3);
  CHECK(cohort::inherited_fd(0).number() == 0);
  CHECK_THROWS_AS(cohort::inherited_fd(-1), std::invalid_argument);
  static_assert(!std::is_convertible_v<int, cohort::inherited_fd>);
}

} // namespace inherited_fd_test
