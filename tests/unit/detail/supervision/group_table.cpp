// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/group_table.hpp>

#include "support/empty_group_host.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace group_table_test {

using namespace cohort::detail;

namespace {

struct table_test {
  group_table::group_pointer add(const std::string& name)
  {
    const auto group =
        std::make_shared<supervised_group>(context.get_executor(), cohort::group(name), 1, host, 1);
    table.add(group);
    return group;
  }

  asio::io_context context{1};
  cohort_test::empty_group_host host;
  group_table table;
};

} // namespace

TEST_CASE("groups are found by their names, in the order in which they came")
{
  table_test test;
  const auto web = test.add("web"), mailer = test.add("mailer");
  CHECK(test.table.all() == std::vector{web, mailer});
  CHECK(test.table.at("mailer") == mailer);
  CHECK(test.table.look_up("web") == web.get());
  CHECK(test.table.look_up("we") == nullptr);
  CHECK_THROWS_AS(test.table.at("none"), std::out_of_range);
}

TEST_CASE("a worker is of the group that owns it, until it ends")
{
  table_test test;
  const auto web = test.add("web"), mailer = test.add("mailer");
  test.table.owns(*web, 1);
  test.table.owns(*mailer, 2);
  test.table.owns(*web, 3);
  CHECK(test.table.owner(2) == mailer.get());
  CHECK(test.table.owner(4) == nullptr);
  CHECK(test.table.workers_of(*web) == std::vector<cohort::worker_id>{1, 3});
  test.table.ended(1);
  CHECK(test.table.owner(1) == nullptr);
  CHECK(test.table.workers_of(*web) == std::vector<cohort::worker_id>{3});
}

TEST_CASE("groups are taken out, and the others keep their order")
{
  table_test test;
  const auto one = test.add("one"), two = test.add("two"), three = test.add("three");
  const auto named = [](const std::string& name) {
    return [name](const supervised_group& each) { return each.description().name() == name; };
  };
  CHECK(test.table.take_if(named("none")).empty());
  CHECK(test.table.take_if(named("two")) == std::vector{two});
  CHECK(test.table.all() == std::vector{one, three});
  CHECK(test.table.look_up("two") == nullptr);
}

TEST_CASE("what was counted of a group goes on in the next one of its name")
{
  table_test test;
  test.add("web")->tally().own().died = 1;
  cohort::group_totals earlier;
  earlier.counters.died = 10;
  std::vector<cohort::group_totals> all;
  for (const char* name : {"web", "mail", "mail"}) {
    earlier.name = name;
    all.push_back(earlier);
  }
  test.table.restore(all);
  CHECK(test.table.at("web")->tally().counters().died == 11);
  CHECK(test.add("mail")->tally().counters().died == 20);
  test.table.take_if([](const supervised_group&) { return true; });
  auto totals = test.table.totals();
  REQUIRE(totals.size() == 2);
  CHECK((totals[0].name == "web" && totals[0].counters.died == 11));
  CHECK(test.add("web")->tally().counters().died == 11);
  totals = test.table.totals();
  REQUIRE(totals.size() == 2);
  CHECK((totals[1].name == "mail" && totals[1].counters.died == 20));
}

} // namespace group_table_test
