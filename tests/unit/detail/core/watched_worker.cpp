// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/watched_worker.hpp>

#include "support/sleeping_worker.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace watched_worker_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using strings = std::vector<std::string>;

namespace {

struct noted_cluster {
  struct noted_connections {
    void set_weight(cohort::worker_id worker, std::uint32_t weight)
    {
      CHECK(worker == 5);
      said.push_back("weight " + std::to_string(weight));
    }
    strings& said;
  };

  void publish(const any_event& event)
  {
    if (std::holds_alternative<cohort::ready_event>(event)) said.push_back("ready");
    if (std::holds_alternative<cohort::stalled_event>(event)) said.push_back("stalled");
    if (std::holds_alternative<cohort::recovered_event>(event)) said.push_back("recovered");
  }
  void ended(const cohort::exit_event&) {}
  bool relay(cohort::worker_id, const wire::message_view&) { return false; }
  noted_connections connections() { return noted_connections{said}; }

  strings said;
};

using watched_test =
    cohort_test::cluster_of_one<cohort_test::sleeping_worker<watched_worker<noted_cluster>>,
        noted_cluster>;

} // namespace

TEST_CASE("a worker that is not heard gets no connections until it is, whatever its weight becomes")
{
  watched_test test(cohort::settings().heartbeat(2ms));
  test.worker->set_weight(3);
  test.worker->come_ready();
  CHECK(test.until([&] { return test.worker->is_stalled(); }));
  CHECK(test.cluster.said == strings{"weight 3", "ready", "weight 0", "stalled"});
  test.worker->set_weight(7);
  CHECK(test.worker->description().weight == 7);
  test.worker->hear(wire::beat{1500});
  CHECK(test.worker->lag() == 1500us);
  CHECK_FALSE(test.worker->is_stalled());
  CHECK(test.cluster.said ==
        strings{"weight 3", "ready", "weight 0", "stalled", "weight 7", "recovered"});
}

TEST_CASE("a worker that hangs is aborted")
{
  watched_test test(cohort::settings().heartbeat(2ms, 2));
  test.worker->come_ready();
  CHECK(test.until([&] { return test.worker->state().is_dead(); }));
  CHECK(test.worker->state().status() == cohort::exit_status::signalled(SIGABRT));
}

TEST_CASE("a worker that drains is not judged by its silence")
{
  watched_test test(cohort::settings().heartbeat(1ms, 2));
  test.worker->come_ready();
  test.worker->drain();
  test.context.restart();
  test.context.run_for(20ms);
  CHECK(test.cluster.said == strings{"ready"});
  CHECK_FALSE(test.worker->state().is_dead());
}

} // namespace watched_worker_test
