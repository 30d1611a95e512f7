// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/totals/counter_fields.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <string_view>

namespace counter_fields_test {

using cohort::detail::counter_fields;

TEST_CASE_TEMPLATE("each counter has a name of its own, and is named once", Counters,
    cohort::connection_counters, cohort::group_counters)
{
  std::set<std::string_view> names;
  Counters counters;
  for (const auto& [name, field] : counter_fields<Counters>) {
    CHECK(names.insert(name).second);
    CHECK(name.find(' ') == name.npos);
    CHECK(counters.*field == 0);
    ++(counters.*field);
  }
}

} // namespace counter_fields_test
