// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/signal_orders.hpp>

#include <doctest/doctest.h>

#include <csignal>

namespace signal_orders_test {

using cohort::detail::signal_order;
using cohort::detail::signal_orders;

TEST_CASE("each signal asks for what its users know it for")
{
  signal_orders orders;
  for (const bool has_terminal : {false, true}) {
    CHECK(orders.next(SIGHUP, has_terminal) == signal_order::reload);
    CHECK(orders.next(SIGUSR1, has_terminal) == signal_order::reload);
    CHECK(orders.next(SIGUSR2, has_terminal) == signal_order::upgrade);
    CHECK(orders.next(SIGTTIN, has_terminal) == signal_order::grow);
    CHECK(orders.next(SIGTTOU, has_terminal) == signal_order::shrink);
  }
}

TEST_CASE("a terminal that changes its size ends no worker")
{
  signal_orders orders;
  CHECK(orders.next(SIGWINCH, true) == signal_order::none);
  CHECK(orders.next(SIGWINCH, false) == signal_order::rest);
}

TEST_CASE("the first signal to end drains, each further one kills, whichever they are")
{
  signal_orders orders;
  orders.next(SIGHUP, false);
  CHECK(orders.next(SIGINT, false) == signal_order::drain);
  CHECK(orders.next(SIGUSR1, false) == signal_order::reload);
  CHECK(orders.next(SIGTERM, false) == signal_order::kill);
  CHECK(orders.next(SIGTERM, false) == signal_order::kill);
}

} // namespace signal_orders_test
