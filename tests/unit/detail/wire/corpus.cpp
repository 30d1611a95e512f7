// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/control.hpp>

#include <doctest/doctest.h>

#include "fuzz/replay.hpp"
#include "fuzz/wire.hpp"

namespace corpus_test {

using cohort_test::fuzz::check_wire;

TEST_CASE("what fuzzing once found interesting keeps the rules")
{
  cohort_test::fuzz::replay("wire", 29, check_wire);
}

TEST_CASE("what lies close to it does too")
{
  cohort_test::fuzz::replay_changed("wire", 50, check_wire);
}

} // namespace corpus_test
