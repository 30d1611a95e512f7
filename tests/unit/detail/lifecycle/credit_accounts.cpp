// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/credit_accounts.hpp>

#include <doctest/doctest.h>

namespace credit_accounts_test {

using cohort::detail::credit_accounts;

TEST_CASE("an account has what was asked for within its limit")
{
  credit_accounts credit;
  credit.open(1);
  CHECK(credit.limit(1, 64) == 0);
  CHECK(credit.ask(1, 16) == 16);
  CHECK(credit.limit(1, 4) == 4);
  CHECK(credit.ask(1, 8) == 4);
  CHECK(credit.limit(1, 100) == 8);
  CHECK(credit.ask(1, 0) == 0);
  CHECK(credit.limit(1, 128) == 0);
}

TEST_CASE("nobody has credit without an account, and a new one begins anew")
{
  credit_accounts credit;
  CHECK_FALSE(credit.contains(1));
  CHECK_FALSE(credit.ask(1, 5).has_value());
  CHECK_FALSE(credit.limit(1, 5).has_value());
  credit.open(1);
  CHECK(credit.contains(1));
  CHECK_FALSE(credit.contains(2));
  credit.ask(1, 5);
  credit.limit(1, 2);
  credit.close(1);
  CHECK_FALSE(credit.contains(1));
  credit.open(1);
  CHECK(credit.ask(1, 5) == 5);
}

} // namespace credit_accounts_test
