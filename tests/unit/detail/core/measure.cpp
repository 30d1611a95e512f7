// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/measure.hpp>

#include "support/event_loop.hpp"
#include "support/said_connections.hpp"
#include "support/sleeping_process.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <system_error>
#include <vector>

namespace measure_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using cohort::worker_metrics;

namespace {

// A worker of which everything is for the test to say, but the number of its process.
struct said_worker final : worker_core {
  said_worker(const asio::any_io_executor& executor, cohort::worker_id id)
      : worker_core(executor, cohort::candidate(id), nullptr)
  {
    process_ = cohort_test::start_sleeping(
        executor, [this](cohort::exit_status status) { state_.exited(status); });
  }

  void disconnect(duration) override {}
  void close_channel() override {}
  void set_weight(std::uint32_t) override {}
  bool is_stalled() const noexcept override { return stalled; }
  io::process_usage usage() override { return used; }

  using worker_core::description_;
  using worker_core::group_;
  using worker_core::lag_;
  using worker_core::requests_;
  using worker_core::state_;

  bool stalled = false;
  io::process_usage used;
};

// A cluster of such workers, which does not look itself what they have at its listeners.
struct said_cluster {
  ~said_cluster()
  {
    std::error_code ignored;
    for (const auto& each : all) each->kill(SIGKILL, ignored);
    for (const auto& each : all)
      CHECK(cohort_test::run_until(context, [&] { return each->state().is_dead(); }));
  }

  said_worker& add(cohort::worker_id id)
  {
    all.push_back(std::make_shared<said_worker>(context.get_executor(), id));
    return *all.back();
  }

  const cohort_test::said_connections& connections() const { return listeners; }
  const std::vector<std::shared_ptr<said_worker>>& workers() const { return all; }

  asio::io_context context{1};
  cohort_test::said_connections listeners;
  std::vector<std::shared_ptr<said_worker>> all;
};

} // namespace

TEST_CASE("a worker is measured by what it says, what it has, and what its process uses")
{
  said_cluster cluster;
  said_worker& worker = cluster.add(7);
  worker.group_ = "web";
  worker.description_.slot = 2;
  worker.description_.generation = 3;
  worker.description_.load = 4;
  // Of one listener, where it matters to a policy.
  worker.description_.offers = 90;
  worker.description_.connections = 91;
  worker.requests_ = 5;
  worker.lag_ = 6us;
  worker.used.memory = 8;
  worker.used.descriptors = 9;
  const worker_metrics one = measure_worker(worker, connection_figures{10, 11});
  CHECK((one.worker == 7 && one.pid == worker.pid() && one.group == "web"));
  CHECK((one.slot == 2 && one.generation == 3 && one.load == 4));
  CHECK((one.requests == 5 && one.loop_lag == 6us));
  CHECK((one.memory == 8U && one.descriptors == 9U));
  CHECK((one.offers == 10 && one.connections == 11));
}

TEST_CASE("whether a worker is ready, not heard, or leaving is told apart")
{
  said_cluster cluster;
  said_worker& worker = cluster.add(1);
  worker.state_.hello();
  worker_metrics one = measure_worker(worker, {});
  CHECK_FALSE((one.ready || one.stalled || one.leaving));
  worker.state_.ready();
  one = measure_worker(worker, {});
  CHECK((one.ready && !one.stalled && !one.leaving));
  worker.stalled = true;
  one = measure_worker(worker, {});
  CHECK((one.stalled && !one.leaving));
  worker.stalled = false;
  worker.state_.drain_requested();
  one = measure_worker(worker, {});
  CHECK((!one.stalled && one.leaving));
}

TEST_CASE("what cannot be seen of a process is not taken for nothing")
{
  said_cluster cluster;
  said_worker& worker = cluster.add(1);
  worker.used.memory = 0;
  const worker_metrics one = measure_worker(worker, {});
  CHECK(one.memory == 0U);
  CHECK_FALSE(one.descriptors);
}

TEST_CASE("a cluster has its listeners, and each worker what it has at all of them")
{
  said_cluster cluster;
  cluster.add(1).requests_ = 100;
  cluster.add(2).requests_ = 200;
  cluster.add(4);
  auto& first = cluster.listeners.add("/a");
  first.counted.accepted = 10;
  first.members = {cohort_test::member_with(1, 3, 1), cohort_test::member_with(2, 5, 0)};
  auto& second = cluster.listeners.add("/b");
  second.counted.accepted = 20;
  // Number 3 has ended, and what it had is not yet taken back.
  second.members = {cohort_test::member_with(2, 7, 2), cohort_test::member_with(3, 9, 9)};
  cohort::connection_counters earlier;
  earlier.accepted = 300;
  cluster.listeners.past.add("/gone", earlier);
  const cohort::cluster_metrics all = measure_cluster(cluster);
  CHECK(all.counters.accepted == 330);
  REQUIRE(all.listeners.size() == 2);
  CHECK((all.listeners[0].address == "/a" && all.listeners[1].address == "/b"));
  REQUIRE(all.workers.size() == 3);
  const auto has = [&](std::size_t which, cohort::worker_id id, std::size_t connections,
                       std::size_t offers, std::uint64_t requests) {
    const worker_metrics& each = all.workers[which];
    CAPTURE(id);
    CHECK((each.worker == id && each.requests == requests));
    CHECK((each.connections == connections && each.offers == offers));
  };
  has(0, 1, 3, 1, 100);
  has(1, 2, 12, 2, 200);
  has(2, 4, 0, 0, 0);
}

} // namespace measure_test
