// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/group_place.hpp>

#include <doctest/doctest.h>

namespace group_place_test {

using cohort::detail::placed_worker;

TEST_CASE("a worker is wanted, then it runs, then it is ready")
{
  placed_worker member;
  CHECK((!member.runs() && !member.boots()));
  member.present = true;
  CHECK((!member.runs() && member.boots()));
  member.id = 3;
  CHECK((member.runs() && member.boots()));
  member.ready = true;
  CHECK((member.runs() && !member.boots()));
}

} // namespace group_place_test
