// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/weigh.hpp>

#include "support/empty_group_host.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace weigh_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using cohort::worker_id;

namespace {

const group_time now(1h);

// A worker that is heard or not.
struct said_worker final : worker_core {
  said_worker(asio::io_context& context, worker_id id, bool is_silent)
      : worker_core(context.get_executor(), cohort::candidate(id), nullptr),
        silent(is_silent)
  {
  }
  void disconnect(duration) override {}
  void close_channel() override {}
  void set_weight(std::uint32_t) override {}
  bool is_stalled() const noexcept override { return silent; }

  bool silent;
};

struct said_host final : cohort_test::empty_group_host {
  worker_pointer find(worker_id worker) override
  {
    const auto found = workers.find(worker);
    return found == workers.end() ? nullptr : found->second;
  }
  std::map<worker_id, std::uint64_t> live_connections() const override
  {
    ++looks;
    return connections;
  }
  void add(worker_id worker, bool is_silent)
  {
    workers[worker] = std::make_shared<said_worker>(context, worker, is_silent);
  }

  asio::io_context context{1};
  std::map<worker_id, worker_pointer> workers;
  std::map<worker_id, std::uint64_t> connections;
  mutable int looks = 0;
};

// The workers 1 to 3, each ready in a place of its own.
struct weighed_group {
  weighed_group() : state(cohort::restart_policy(), 3, false, 1)
  {
    for (worker_id each = 1; each != 4; ++each) {
      state.adopt(each, true, now);
      host.add(each, false);
    }
    state.begin(now);
    CHECK_FALSE(state.next());
  }

  const worker_burden& of(worker_id worker) const
  {
    return state.roster().places()[worker - 1].current.burden;
  }

  group_state state;
  said_host host;
};

} // namespace

TEST_CASE("each worker of a group is weighed by its silence and its own connections")
{
  weighed_group test;
  test.host.add(2, true);
  test.host.connections = {{1, 5}, {3, 7}, {9, 1000}};
  weigh(test.state, test.host);
  CHECK((!test.of(1).stalled && test.of(1).connections == 5));
  CHECK((test.of(2).stalled && test.of(2).connections == 0));
  CHECK((!test.of(3).stalled && test.of(3).connections == 7));
  // All listeners are gone through for that.
  CHECK(test.host.looks == 1);
}

TEST_CASE("one whose process has ended is weighed by what it has still")
{
  weighed_group test;
  test.host.workers.erase(2);
  test.host.connections = {{2, 5}};
  weigh(test.state, test.host);
  CHECK((!test.of(2).stalled && test.of(2).connections == 5));
}

TEST_CASE("what was seen before is forgotten")
{
  weighed_group test;
  test.host.add(2, true);
  test.host.connections = {{1, 5}};
  weigh(test.state, test.host);
  test.host.add(2, false);
  test.host.connections.clear();
  weigh(test.state, test.host);
  CHECK_FALSE(test.of(2).stalled);
  CHECK(test.of(1).connections == 0);
}

TEST_CASE("who has the least to do leaves when a group that was weighed shrinks")
{
  weighed_group test;
  test.host.connections = {{1, 5}, {2, 4}, {3, 6}};
  weigh(test.state, test.host);
  test.state.resize(2, now);
  const auto action = test.state.next();
  REQUIRE(action);
  CHECK((action->what == group_action::kind::drain && action->worker == 2));
}

} // namespace weigh_test
