// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/unix_path.hpp>

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

namespace unix_path_test {

TEST_CASE("a path is kept as it was said, however long")
{
  const std::string text = "relative/" + std::string(1000, 'x');
  CHECK(cohort::unix_path(text).value() == text);
  static_assert(!std::is_convertible_v<std::string, cohort::unix_path>);
}

} // namespace unix_path_test
