// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/group_orders.hpp>

#include "support/empty_group_host.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <memory>

namespace group_orders_test {

using namespace cohort::detail;

TEST_CASE("an order for groups goes to all of them, one for the supervisor to none")
{
  asio::io_context context(1);
  cohort_test::empty_group_host host;
  group_table table;
  const auto add = [&](const cohort::group& description) {
    table.add(std::make_shared<supervised_group>(context.get_executor(), description, 2, host, 1));
    return table.all().back();
  };
  const auto few = add(cohort::group("few").scalable(1, 3));
  const auto daemon = add(cohort::group("daemon"));
  const auto pass = [&](signal_order order) {
    return pass_order(order, table, cohort::reload_options());
  };
  CHECK_FALSE(pass(signal_order::drain));
  CHECK_FALSE(pass(signal_order::kill));
  CHECK(pass(signal_order::none));
  CHECK((few->state().count() == 2 && daemon->state().count() == 2));
  CHECK(pass(signal_order::grow));
  CHECK((few->state().count() == 3 && daemon->state().count() == 2));
  CHECK(pass(signal_order::shrink));
  CHECK((few->state().count() == 2 && daemon->state().count() == 2));
  for (const signal_order back : {signal_order::grow, signal_order::reload}) {
    CHECK(pass(signal_order::rest));
    CHECK((few->state().count() == 0 && daemon->state().count() == 0));
    CHECK(pass(signal_order::shrink));
    CHECK(pass(back));
    CHECK((few->state().count() == 2 && daemon->state().count() == 2));
    // Its new workers are all that the order has brought.
    CHECK_FALSE(few->state().reload_state().runs());
  }
  CHECK(pass(signal_order::reload));
  CHECK(few->state().reload_state().runs());
  for (const auto& each : table.all()) each->close();
}

} // namespace group_orders_test
