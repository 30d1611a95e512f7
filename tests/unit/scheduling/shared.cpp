// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/scheduling/shared.hpp>

#include <doctest/doctest.h>

namespace shared_test {

TEST_CASE("shared leaves the choice to the kernel, with one socket")
{
  static_assert(cohort::leaves_to_kernel<cohort::shared>);
  static_assert(!cohort::selects_member<cohort::shared>);
  CHECK(cohort::detail::distribution_of(cohort::shared()) == cohort::distribution::by_kernel);
  CHECK_FALSE(cohort::detail::wants_own_sockets(cohort::shared()));
}

} // namespace shared_test
