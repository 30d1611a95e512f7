// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json.hpp>

#include <doctest/doctest.h>

#include "fuzz/json.hpp"
#include "fuzz/replay.hpp"

namespace json_corpus_test {

using cohort_test::fuzz::check_json;

TEST_CASE("what fuzzing found interesting in json keeps the rules of its codec")
{
  cohort_test::fuzz::replay("json", 20, check_json);
}

TEST_CASE("what lies close to interesting json does too")
{
  cohort_test::fuzz::replay_changed("json", 20, check_json);
}

} // namespace json_corpus_test
