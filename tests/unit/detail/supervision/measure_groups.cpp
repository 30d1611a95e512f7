// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/measure_groups.hpp>

#include "support/empty_group_host.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>

namespace measure_groups_test {

using namespace std::chrono_literals;
using namespace cohort::detail;

TEST_CASE("a group says how it is")
{
  asio::io_context context(1);
  cohort_test::empty_group_host host;
  const auto group = std::make_shared<supervised_group>(
      context.get_executor(), cohort::group("web").scalable(1, 9), 3, host, 1);
  group->tally().own().died = 7;
  cohort::group_metrics metrics = describe_group(*group);
  CHECK((metrics.name == "web" && metrics.workers == 3 && metrics.counters.died == 7));
  CHECK((metrics.ready == 0 && metrics.starting == 0 && metrics.leaving == 0));
  CHECK_FALSE((metrics.resting || metrics.reloading || metrics.gave_up));
  group->begin();
  metrics = describe_group(*group);
  // Nothing can be started at that host.
  CHECK(metrics.counters.start_failures >= 3);
  group->rest();
  metrics = describe_group(*group);
  CHECK((metrics.resting && metrics.workers == 0));
  group->close();
}

TEST_CASE("workers on their way out use memory, and are not there for connections")
{
  cohort::worker_metrics worker;
  worker.connections = 3;
  worker.offers = 2;
  worker.load = 50;
  worker.loop_lag = 70us;
  worker.memory = 1000;
  worker.descriptors = 10;
  cohort::group_metrics group;
  add_worker(group, worker, false);
  worker.loop_lag = 20us;
  add_worker(group, worker, false);
  worker.descriptors.reset();
  worker.loop_lag = 1s;
  add_worker(group, worker, true);
  CHECK((group.connections == 6 && group.offers == 4 && group.load == 100));
  CHECK(group.loop_lag == 70us);
  CHECK((group.memory == 3000 && group.descriptors == 20));
}

} // namespace measure_groups_test
