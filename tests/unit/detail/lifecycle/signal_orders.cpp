// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/signal_orders.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>

namespace signal_orders_test {

using cohort::detail::end_signals;
using cohort::detail::signal_circumstances;
using cohort::detail::signal_order;
using cohort::detail::signal_orders;
using namespace std::chrono_literals;

const end_signals::clock::time_point start{1h};
const signal_circumstances usual{start};
const signal_circumstances in_terminal{start, true};

TEST_CASE("each signal asks for what its users know it for")
{
  signal_orders orders;
  for (const signal_circumstances& when : {usual, in_terminal}) {
    CHECK(orders.next(SIGHUP, when) == signal_order::reload);
    CHECK(orders.next(SIGUSR1, when) == signal_order::reload);
    CHECK(orders.next(SIGUSR2, when) == signal_order::upgrade);
    CHECK(orders.next(SIGTTIN, when) == signal_order::grow);
    CHECK(orders.next(SIGTTOU, when) == signal_order::shrink);
  }
}

TEST_CASE("a terminal that changes its size ends no worker")
{
  signal_orders orders;
  CHECK(orders.next(SIGWINCH, in_terminal) == signal_order::none);
  CHECK(orders.next(SIGWINCH, usual) == signal_order::rest);
}

TEST_CASE("the first signal to end drains, each further one kills, whichever they are")
{
  signal_orders orders;
  orders.next(SIGHUP, usual);
  CHECK(orders.next(SIGINT, usual) == signal_order::drain);
  CHECK(orders.next(SIGUSR1, usual) == signal_order::reload);
  CHECK(orders.next(SIGTERM, usual) == signal_order::kill);
  CHECK(orders.next(SIGTERM, usual) == signal_order::kill);
}

TEST_CASE("a signal to end that is passed on in the same moment asks for nothing more")
{
  signal_orders orders;
  const signal_circumstances both{start, false, true};
  CHECK(orders.next(SIGTERM, both) == signal_order::drain);
  CHECK(orders.next(SIGTERM, both) == signal_order::drain);
  CHECK(orders.next(SIGTERM, both) == signal_order::kill);
}

} // namespace signal_orders_test
