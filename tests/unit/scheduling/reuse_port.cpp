// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/scheduling/reuse_port.hpp>

#include <doctest/doctest.h>

namespace reuse_port_policy_test {

TEST_CASE("reuse_port leaves the choice to the kernel, with a socket for each worker")
{
  static_assert(cohort::leaves_to_kernel<cohort::reuse_port>);
  CHECK(cohort::detail::distribution_of(cohort::reuse_port()) == cohort::distribution::by_kernel);
  CHECK(cohort::detail::wants_own_sockets(cohort::reuse_port()));
}

TEST_CASE("reuse_port tells whether the kernel moves connections that wait")
{
  // Whatever it is, it stays.
  CHECK(cohort::reuse_port::kernel_migrates() == cohort::detail::posix::migrates_requests());
}

} // namespace reuse_port_policy_test
