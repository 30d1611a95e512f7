// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What the kernel says of its settings, where it does not.

#include "support/failing_system_calls.hpp"

#include <cohort/scheduling/reuse_port.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <cerrno>
#include <cstddef>
#include <optional>

namespace reuse_port_faults {

using cohort::reuse_port;
using cohort_test::call;
using cohort_test::faults;

TEST_CASE("whether the kernel moves connections is not known where the setting cannot be read")
{
  const std::size_t before = cohort_test::count_descriptors();
  for (const int code : {ENOENT, EACCES, EMFILE, EIO}) {
    faults faults;
    faults.fail(call::open, 1, code);
    CHECK(reuse_port::kernel_migrates() == std::nullopt);
    CHECK(faults.count(call::read) == 0);
    faults.fail(call::read, 1, code);
    CHECK(reuse_port::kernel_migrates() == std::nullopt);
  }
  CHECK(cohort_test::count_descriptors() == before);
}

TEST_CASE("a signal does not hide whether the kernel moves connections")
{
  const auto known = reuse_port::kernel_migrates();
  faults faults;
  faults.fail(call::open, 1, EINTR, 2);
  faults.fail(call::read, 1, EINTR, 2);
  CHECK(reuse_port::kernel_migrates() == known);
  CHECK(faults.count(call::open) == 3);
}

} // namespace reuse_port_faults
