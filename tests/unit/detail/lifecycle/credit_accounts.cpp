// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/credit_accounts.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace credit_accounts_test {

using namespace std::chrono_literals;
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

TEST_CASE("a paced account has less when its offers wait, and never more than it asked for")
{
  credit_accounts credit;
  credit.open(1, true);
  credit.open(2);
  CHECK(credit.is_paced(1));
  CHECK_FALSE(credit.is_paced(2));
  CHECK_FALSE(credit.is_paced(3));
  CHECK(credit.ask(1, 128) == 16);
  CHECK(credit.ask(2, 128) == 128);
  const cohort::detail::credit_pace::clock::time_point start(1h);
  CHECK(credit.taken(1, 1, start, start + 1s) == 8);
  CHECK(credit.limit(1, 3) == 3);
  CHECK(credit.limit(1, 128) == 8);
  credit.starved();
  CHECK(credit.taken(1, 8, start + 2s, start + 2s) == 9);
  CHECK(credit.ask(1, 4) == 4);
  CHECK(credit.ask(2, 100) == 100);
}

TEST_CASE("what others waited for before is no reason for a new account to grow")
{
  credit_accounts credit;
  credit.starved();
  credit.open(1, true);
  credit.ask(1, 128);
  const cohort::detail::credit_pace::clock::time_point now(1h);
  CHECK(credit.taken(1, 16, now, now) == 16);
  credit.starved();
  CHECK(credit.taken(1, 16, now, now) == 17);
}

TEST_CASE("a pace does not grow beyond what is asked for, to come down from nowhere")
{
  credit_accounts credit;
  credit.open(1, true);
  credit.ask(1, 20);
  cohort::detail::credit_pace::clock::time_point now(1h);
  for (int i = 0; i != 10'000; ++i, now += 10us) {
    credit.starved();
    credit.taken(1, 1, now, now);
  }
  CHECK(credit.taken(1, 1, now, now) == 20);
  CHECK(credit.taken(1, 1, now, now + 1s) == 10);
  // That it is full says nothing of its pace.
  credit.ask(1, 0);
  CHECK(credit.taken(1, 1, now + 2s, now + 2s) == 0);
  CHECK(credit.ask(1, 20) == 10);
}

} // namespace credit_accounts_test
