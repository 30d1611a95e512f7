// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/cluster_reload.hpp>

#include <cohort/detail/core/cluster_core.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include "support/event_loop.hpp"
#include "support/no_messages.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace cluster_reload_test {

using namespace cohort::detail;
using cohort::reload_options;
using cohort::reload_result;
using core_type = cluster_core<cohort::round_robin>;
using reload_type = cluster_reload<core_type>;

namespace {

struct core_test {
  core_test()
  {
    const auto how =
        cohort::settings().exec("/bin/sleep").args(std::vector<std::string>(1, "1000"));
    core = std::make_shared<core_type>(
        context.get_executor(), how, cohort::round_robin(), cohort_test::no_messages());
    std::error_code error;
    core->fork(cohort::settings(), error);
    CHECK(!error);
  }
  ~core_test()
  {
    core->kill(SIGKILL);
    CHECK(cohort_test::run_until(context, [this] { return core->idle(); }));
    core->close();
    cohort_test::run_ready(context);
    CHECK(core.use_count() == 1);
  }

  void begin(const reload_options& how = reload_options())
  {
    reload_type::start(core, result.handler(), how);
  }

  asio::io_context context{1};
  std::shared_ptr<core_type> core;
  cohort_test::completion<reload_result> result;
};

} // namespace

TEST_CASE("nothing is left of a reload that is over")
{
  core_test test;
  test.begin(reload_options().settings(cohort::settings().exec("/nowhere")));
  CHECK(cohort_test::run_until(test.context, [&] { return test.result.done(); }));
  cohort_test::run_ready(test.context);
  CHECK(test.result.error == cohort::error::reload_failed);
  CHECK(test.core->reload_under_way().expired());
}

TEST_CASE("who waits for a reload is told when the cluster goes away, and nobody holds it")
{
  core_test test;
  test.begin();
  test.core->kill(SIGKILL);
  test.core->close();
  // Both are reaped all the same.
  CHECK(cohort_test::run_until(test.context, [&] { return test.context.stopped(); }));
  CHECK(test.result.error == asio::error::operation_aborted);
  CHECK(test.core->reload_under_way().expired());
}

TEST_CASE("a cluster that ends is not reloaded")
{
  core_test test;
  test.core->disconnect(std::chrono::seconds(10), [](std::error_code, const auto&) {});
  test.begin();
  cohort_test::run_ready(test.context);
  CHECK(test.result.error == cohort::error::shutting_down);
}

} // namespace cluster_reload_test
