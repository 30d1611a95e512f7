// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/binary.hpp>

#include <doctest/doctest.h>

#include "fuzz/binary.hpp"
#include "fuzz/replay.hpp"

namespace binary_corpus_test {

using cohort_test::fuzz::check_binary;

TEST_CASE("what fuzzing found interesting in binary keeps the rules of its codec")
{
  cohort_test::fuzz::replay("binary", 20, check_binary);
}

TEST_CASE("what lies close to interesting binary does too")
{
  cohort_test::fuzz::replay_changed("binary", 20, check_binary);
}

} // namespace binary_corpus_test
