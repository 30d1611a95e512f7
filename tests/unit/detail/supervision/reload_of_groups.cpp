// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/reload_of_groups.hpp>

#include "support/empty_group_host.hpp"
#include "support/event_loop.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace reload_of_groups_test {

using namespace cohort::detail;
using cohort::reload_outcome;

namespace {

struct reload_test {
  reload_test()
  {
    for (const char* name : {"one", "two"}) {
      groups.push_back(std::make_shared<supervised_group>(
          context.get_executor(), cohort::group(name), 1, host, 1));
      groups.back()->adopt(static_cast<cohort::worker_id>(groups.size()), true);
      groups.back()->begin();
    }
  }
  ~reload_test()
  {
    for (const auto& each : groups) each->close();
    cohort_test::run_ready(context);
  }

  asio::io_context context{1};
  cohort_test::empty_group_host host;
  std::vector<std::shared_ptr<supervised_group>> groups;
  std::shared_ptr<reload_of_groups> all =
      std::make_shared<reload_of_groups>(context.get_executor());
  cohort_test::completion<std::vector<cohort::reload_event>> result;
};

} // namespace

TEST_CASE("each group has its result, and the first error is that of all")
{
  reload_test test;
  test.all->start(test.result.handler(), test.groups, cohort::reload_options());
  cohort_test::run_ready(test.context);
  CHECK(test.result.times == 1);
  CHECK(test.result.error == cohort::error::reload_failed);
  REQUIRE(test.result.value.size() == 2);
  CHECK(test.result.value[0].group == "one");
  CHECK(test.result.value[1].group == "two");
  for (const auto& each : test.result.value)
    CHECK(each.result.outcome == reload_outcome::start_failed);
}

TEST_CASE("a reload of no groups succeeds")
{
  reload_test test;
  test.all->start(test.result.handler(), {}, cohort::reload_options());
  cohort_test::run_ready(test.context);
  CHECK(test.result.good());
  CHECK(test.result.value.empty());
}

TEST_CASE("without groups that could go on, and without one who waits, nothing is left")
{
  reload_test test;
  test.groups[0]->stop(std::chrono::seconds(1));
  asio::cancellation_signal cancel;
  test.all->start(asio::bind_cancellation_slot(cancel.slot(), test.result.handler()), test.groups,
      cohort::reload_options());
  cancel.emit(asio::cancellation_type::terminal);
  const std::weak_ptr<reload_of_groups> weak = std::exchange(test.all, nullptr);
  cohort_test::run_ready(test.context);
  CHECK(test.result.error == asio::error::operation_aborted);
  CHECK(weak.expired());
}

} // namespace reload_of_groups_test
