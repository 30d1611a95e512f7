// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// How clusters end: all workers at once, again and again, and without a word.

#include "support/cluster_fixture.hpp"
#include "support/load.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>

#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>
#include <atomic>
#include <cerrno>
#include <future>
#include <sys/wait.h>

namespace ending_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using all_exits = std::vector<cohort::exit_event>;

TEST_CASE("disconnect completes after all exits, with their statuses")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await primary.start(3);
    cohort::worker killed = co_await primary.start();
    killed.kill(SIGKILL);
    co_await killed.exited();
    const all_exits all = co_await primary.cluster().disconnect();
    CHECK(all.size() == 3);
    for (const cohort::worker& each : workers) CHECK(each.is_dead());
    for (const cohort::exit_event& each : all) {
      CHECK(each.status.success());
      CHECK(each.voluntary);
    }
  });
  // The context had nothing left to do then; it can begin anew.
  primary.run([&]() -> awaitable<void> {
    co_await primary.start();
    co_await primary.end();
  });
}

TEST_CASE("disconnect waits for the slowest worker, not for the first")
{
  cluster_fixture primary;
  bool completed = false;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await primary.start(2);
    const address where = co_await primary.address_of(workers.front());
    client live(where);
    answer first;
    auto ask_once = [&] { first = live.ask("keep"); };
    co_await primary.in_thread(ask_once);
    cohort::worker slow = workers[first.worker - 1];
    cohort::worker fast = workers[2 - first.worker];
    primary.cluster().disconnect([&completed](std::error_code, const all_exits& all) {
      completed = true;
      CHECK(all.size() == 2);
    });
    co_await fast.exited();
    CHECK_FALSE(completed);
    live.close();
    co_await slow.exited();
  });
  CHECK(completed);
}

TEST_CASE("disconnect of a cluster without workers completes, though not at once")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    bool completed = false;
    primary.cluster().disconnect([&](std::error_code error, const all_exits& all) {
      completed = true;
      CHECK_FALSE(error);
      CHECK(all.empty());
    });
    CHECK_FALSE(completed);
    const all_exits again = co_await primary.cluster().disconnect();
    CHECK(again.empty());
    CHECK(completed);
  });
}

TEST_CASE("disconnects at the same time complete together, and forks fail meanwhile")
{
  cluster_fixture primary;
  auto& cluster = primary.cluster();
  primary.run([&]() -> awaitable<void> {
    co_await primary.start(2);
    int completed = 0;
    const auto count_it = [&](std::error_code error, const all_exits& all) {
      CHECK_FALSE(error);
      CHECK(all.size() == 2);
      ++completed;
    };
    cluster.disconnect(count_it);
    cluster.disconnect(60s, count_it);
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await cluster.co_fork(token);
    CHECK(error == cohort::error::shutting_down);
    CHECK(error == cohort::condition::ending);
    const all_exits all = co_await cluster.disconnect();
    CHECK(all.size() == 2);
    CHECK(completed == 2);
    // Over is over: the next one forks again, and its numbers go on.
    cohort::worker next = co_await primary.start();
    CHECK(next.id() == 3);
    co_await primary.end();
  });
}

TEST_CASE("the deadline of disconnect ends workers with live connections")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start();
    const address where = co_await primary.address_of(worker);
    client live(where);
    auto ask_once = [&] { live.ask("keep"); };
    co_await primary.in_thread(ask_once);
    const all_exits all = co_await primary.cluster().disconnect(100ms);
    REQUIRE(all.size() == 1);
    CHECK(all.front().status.signal() == SIGTERM);
    CHECK(all.front().voluntary);
  });
}

TEST_CASE("a cluster that goes away ends its workers and every wait")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    const std::vector<cohort::worker> workers = co_await primary.start(2);
    auto events = cluster.subscribe<cohort::exit_event>();
    int aborted = 0;
    const auto count_it = [&](std::error_code error) {
      aborted += error == asio::error::operation_aborted;
    };
    events.next([&](std::error_code error, const cohort::exit_event&) { count_it(error); });
    cluster.idle(count_it);
    primary.destroy_cluster();
    // The handles stay good: nobody is left behind.
    for (cohort::worker each : workers) {
      CHECK_FALSE(each.is_connected());
      const cohort::exit_status status = co_await each.exited();
      CHECK(status.success());
      co_await each.disconnected();
    }
    CHECK(aborted == 2);
  });
}

TEST_CASE("a context that ends first takes everything that waits with it")
{
  std::vector<pid_t> pids;
  {
    asio::io_context context(1);
    // A coroutine that owns the cluster it waits for, and handles of its workers.
    auto own_everything = [&]() -> awaitable<void> {
      auto cluster = std::make_unique<cohort::cluster<>>(context);
      auto events = cluster->subscribe<cohort::exit_event>();
      std::vector<cohort::worker> workers;
      for (int i = 0; i != 2; ++i) {
        const cohort::environment variables = server();
        cohort::worker worker = co_await cluster->co_fork(variables);
        pids.push_back(worker.pid());
        co_await worker.listening();
        workers.push_back(worker);
      }
      workers.front().exited([worker = workers.front()](std::error_code, cohort::exit_status) {});
      context.stop();
      co_await events.next();
    };
    asio::co_spawn(context, own_everything(), asio::detached);
    context.run_for(20s * time_factor());
    CHECK(context.stopped());
  }
  // Their channels are closed, so they end; who was there to reap them did.
  CHECK(pids.size() == 2);
  for (const pid_t pid : pids) {
    int status = 0;
    const pid_t reaped = ::waitpid(pid, &status, 0);
    CHECK((reaped == pid || errno == ECHILD));
    CHECK(status == 0);
  }
}

TEST_CASE("a cluster on a strand lives in a context that four threads run")
{
  constexpr int rounds = 10;
  asio::io_context context(4);
  auto strand = asio::make_strand(context);
  cohort::cluster<> cluster(strand);
  std::atomic<std::uint16_t> port = 0;
  auto supervise = [&]() -> awaitable<void> {
    auto exits_seen = cluster.subscribe<cohort::exit_event>();
    const cohort::environment variables = server("127.0.0.1:0 hold");
    std::vector<cohort::worker> workers;
    for (int i = 0; i != 3; ++i) {
      cohort::worker worker = co_await cluster.co_fork(variables);
      const cohort::listening_event event = co_await worker.listening();
      workers.push_back(worker);
      port = event.port;
    }
    for (int i = 0; i != rounds; ++i) {
      workers[static_cast<std::size_t>(i % 3)].kill(SIGKILL);
      const cohort::exit_event event = co_await exits_seen.next();
      CHECK(event.status.signal() == SIGKILL);
      cohort::worker worker = co_await cluster.co_fork(variables);
      co_await worker.listening();
      workers[static_cast<std::size_t>(i % 3)] = worker;
    }
    const all_exits all = co_await cluster.disconnect(10s);
    CHECK(all.size() == 3);
  };
  std::future<void> supervised = asio::co_spawn(strand, supervise(), asio::use_future);
  std::vector<std::thread> threads;
  for (int i = 0; i != 4; ++i) threads.emplace_back([&] { context.run_for(30s * time_factor()); });
  while (port == 0 && supervised.wait_for(1ms) == std::future_status::timeout) {
  }
  std::vector<answer> answers;
  {
    load clients(address::tcp4(port), 2);
    CHECK(supervised.wait_for(30s * time_factor()) == std::future_status::ready);
    clients.stop();
    answers = clients.answers();
  }
  for (std::thread& each : threads) each.join();
  supervised.get();
  CHECK(count(answers, outcome::ok) > rounds);
  CHECK(count(answers, outcome::timeout) == 0);
  CHECK(count(answers, outcome::wrong) == 0);
}

} // namespace ending_test
