// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/listener_ledger.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>

namespace listener_ledger_test {

using cohort::detail::listener_ledger;

namespace {

cohort::connection_counters accepted(unsigned count)
{
  cohort::connection_counters counters;
  counters.accepted = count;
  return counters;
}

} // namespace

TEST_CASE("what was counted at an address adds up there")
{
  listener_ledger ledger;
  ledger.add("a", accepted(1));
  ledger.add("b", accepted(10));
  ledger.add("a", accepted(100));
  CHECK(ledger.of("a").accepted == 101);
  CHECK(ledger.of("b").accepted == 10);
  CHECK(ledger.of("c").accepted == 0);
  CHECK(ledger.sum().accepted == 111);
  CHECK(ledger.all().size() == 2);
}

TEST_CASE("only so many addresses are remembered, and nothing that was counted is lost")
{
  listener_ledger ledger;
  const std::size_t all = 2 * listener_ledger::max_addresses;
  for (std::size_t each = 0; each != all; ++each) ledger.add(std::to_string(each), accepted(1));
  CHECK(ledger.all().size() == listener_ledger::max_addresses + 1);
  CHECK(ledger.sum().accepted == all);
  CHECK(ledger.of("").accepted == listener_ledger::max_addresses);
  ledger.add("0", accepted(1));
  CHECK(ledger.of("0").accepted == 2);
}

} // namespace listener_ledger_test
