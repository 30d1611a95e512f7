// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/process_group.hpp>

#include <doctest/doctest.h>

namespace process_group_test {

using cohort::process_group;

TEST_CASE("a group that nobody chose is the one of this process")
{
  CHECK(process_group() == process_group::inherit);
  CHECK(process_group::own != process_group::own_session);
}

} // namespace process_group_test
