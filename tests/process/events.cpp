// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What the primary is told about the life of a worker, in which order, and by which handles.

#include "support/cluster_fixture.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <functional>

namespace events_test {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

using cohort::exit_status;
using life = cohort::subscription<cohort::fork_event, cohort::online_event, cohort::listening_event,
    cohort::disconnect_event, cohort::exit_event>;

life subscribe(cohort::cluster<>& cluster)
{
  return cluster.subscribe<cohort::fork_event, cohort::online_event, cohort::listening_event,
      cohort::disconnect_event, cohort::exit_event>();
}

// The next event as a letter: f, o, l, d, e. Checks what all of them have in common.
awaitable<char> next(life& events, cohort::worker worker)
{
  const life::value_type event = co_await events.next();
  std::visit(
      [&](const auto& each) {
        CHECK(each.worker == worker.id());
        CHECK(each.pid == worker.pid());
      },
      event);
  if (const auto* exit = std::get_if<cohort::exit_event>(&event)) {
    CHECK(exit->voluntary == worker.exited_after_disconnect());
    CHECK(worker.is_dead());
  }
  co_return "folde"[event.index()];
}

// Starts a worker, ends it by `end`, and expects this status and order of events.
void expect_life(cohort::environment variables, exit_status status, bool voluntary,
    const std::function<void(cluster_fixture&, cohort::worker&)>& end)
{
  cluster_fixture primary;
  auto& cluster = primary.cluster();
  std::string order;
  primary.run([&]() -> awaitable<void> {
    life events = subscribe(cluster);
    cohort::worker worker = co_await cluster.co_fork(primary.controlled(variables));
    CHECK(worker.is_connected());
    CHECK_FALSE(worker.is_dead());
    for (int i = 0; i != 3; ++i) {
      const char letter = co_await next(events, worker);
      order += letter;
    }
    CHECK(cluster.find(worker.id()) == worker);
    CHECK(worker.is_connected());
    CHECK_FALSE(worker.exited_after_disconnect());
    end(primary, worker);
    for (int i = 0; i != 2; ++i) {
      const char letter = co_await next(events, worker);
      order += letter;
    }
    // The handle left the table before the second of the two; it stays good.
    CHECK(cluster.workers().empty());
    CHECK_FALSE(cluster.find(worker.id()));
    CHECK_FALSE(worker.is_connected());
    CHECK(worker.is_dead());
    CHECK(worker.exited_after_disconnect() == voluntary);
    const exit_status seen = co_await worker.exited();
    CHECK_MESSAGE(seen == status, seen.to_string());
    co_await worker.disconnected();
    std::error_code error;
    worker.kill(SIGTERM, error);
    CHECK(error == std::errc::no_such_process);
    CHECK_THROWS_AS(worker.kill(SIGTERM), std::system_error);
  });
  CHECK(order.substr(0, 3) == "fol");
  const std::string rest = order.substr(3);
  CHECK_MESSAGE((rest == "de" || rest == "ed"), order);
}

void ask_without_answer(cohort::worker& worker, const char* verb)
{
  worker.listening([verb](std::error_code, const cohort::listening_event& event) {
    client one(address::tcp4(event.port));
    one.request(verb);
  });
}

} // namespace

TEST_CASE("who waits at a worker learns of its end before who waits at the cluster")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start();
    std::vector<std::string> told;
    auto events = primary.cluster().subscribe<cohort::disconnect_event>();
    events.next(
        [&](std::error_code, const cohort::disconnect_event&) { told.push_back("cluster"); });
    worker.disconnected([&](std::error_code) { told.push_back("worker"); });
    worker.kill(SIGKILL);
    co_await worker.exited();
    const auto both = [&] { return told.size() == 2; };
    const bool both_told = co_await primary.eventually(both);
    CHECK(both_told);
    CHECK(told == std::vector<std::string>{"worker", "cluster"});
  });
}

TEST_CASE("a killed worker: fork, online, listening, disconnect and exit")
{
  expect_life(server(), exit_status::signalled(SIGKILL), false,
      [](cluster_fixture&, cohort::worker& worker) { worker.kill(SIGKILL); });
}

TEST_CASE("a worker without a handler for SIGTERM ends by it, unannounced")
{
  expect_life(server(), exit_status::signalled(SIGTERM), false,
      [](cluster_fixture&, cohort::worker& worker) { worker.kill(); });
}

TEST_CASE("a worker that exits gives its code, unannounced")
{
  expect_life(server(), exit_status::exited(7), false,
      [](cluster_fixture&, cohort::worker& worker) { ask_without_answer(worker, "exit"); });
}

TEST_CASE("a worker that crashes gives the signal")
{
  expect_life(server(), exit_status::signalled(SIGABRT), false,
      [](cluster_fixture&, cohort::worker& worker) { ask_without_answer(worker, "crash"); });
}

TEST_CASE("a worker that the primary disconnects ends with code 0, announced")
{
  expect_life(server(), exit_status::exited(0), true, [](cluster_fixture&, cohort::worker& worker) {
    worker.disconnect([](std::error_code, exit_status) {});
    CHECK(worker.exited_after_disconnect());
  });
}

TEST_CASE("a worker that leaves by itself ends with code 0, announced")
{
  expect_life(
      server(), exit_status::exited(0), true, [](cluster_fixture& primary, cohort::worker& worker) {
        asio::co_spawn(primary.context, primary.command(worker, "leave"), asio::detached);
      });
}

TEST_CASE("a disconnected worker that is then killed had its end announced all the same")
{
  expect_life(server().set("COHORT_TEST_IGNORE_TERM", "1"), exit_status::signalled(SIGKILL), true,
      [](cluster_fixture&, cohort::worker& worker) {
        worker.kill(SIGSTOP);
        worker.disconnect([](std::error_code, exit_status) {});
        worker.kill(SIGKILL);
      });
}

TEST_CASE("waits that can no more be fulfilled end with error::worker_gone")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(role("mute"));
    int gone = 0;
    int ended = 0;
    for (int i = 0; i != 3; ++i) {
      worker.online([&](std::error_code error) { gone += error == cohort::error::worker_gone; });
      worker.listening([&](std::error_code error, const cohort::listening_event&) {
        gone += error == cohort::error::worker_gone;
      });
      worker.exited([&](std::error_code error, exit_status status) {
        ended += !error && status.signal() == SIGKILL;
      });
      worker.disconnected([&](std::error_code error) { ended += !error; });
    }
    worker.kill(SIGKILL);
    co_await worker.exited();
    co_await worker.disconnected();
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await worker.listening(token);
    CHECK(error == cohort::error::worker_gone);
    CHECK(gone == 6);
    CHECK(ended == 6);
  });
}

TEST_CASE("what a worker has done can be awaited afterwards, by many")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start();
    for (int i = 0; i != 3; ++i) {
      co_await worker.online();
      const cohort::listening_event event = co_await worker.listening();
      CHECK(event.worker == worker.id());
      CHECK(event.address == "127.0.0.1");
      CHECK(event.port != 0);
    }
    co_await primary.end();
    const exit_status status = co_await worker.exited();
    CHECK(status.success());
    co_await worker.online();
  });
}

TEST_CASE("no subscriber misses an event, whatever else it does")
{
  constexpr int forks = 12;
  cluster_fixture primary;
  auto& cluster = primary.cluster();
  primary.run([&]() -> awaitable<void> {
    life all = subscribe(cluster);
    auto exits = cluster.subscribe<cohort::exit_event>();
    auto dropped = std::make_unique<life>(subscribe(cluster));
    for (int i = 0; i != forks; ++i) {
      cohort::worker worker = co_await primary.start();
      if (i == 3) dropped.reset();
      worker.kill(SIGKILL);
      co_await worker.exited();
    }
    std::map<cohort::worker_id, std::string> lives;
    for (int i = 0; i != 5 * forks; ++i) {
      const life::value_type event = co_await all.next();
      const cohort::worker_id id = std::visit([](const auto& each) { return each.worker; }, event);
      lives[id] += "folde"[event.index()];
    }
    CHECK(lives.size() == forks);
    for (const auto& [id, order] : lives)
      CHECK_MESSAGE((order == "folde" || order == "foled"), order);
    for (cohort::worker_id id = 1; id <= forks; ++id) {
      const cohort::exit_event event = co_await exits.next();
      CHECK(event.worker == id);
      CHECK(event.status == exit_status::signalled(SIGKILL));
      CHECK_FALSE(event.voluntary);
    }
  });
}

TEST_CASE("cancelling a wait for an event loses none")
{
  cluster_fixture primary;
  auto& cluster = primary.cluster();
  primary.run([&]() -> awaitable<void> {
    auto exits = cluster.subscribe<cohort::exit_event>();
    cohort::worker_id expected = 1;
    for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
             asio::cancellation_type::total}) {
      asio::cancellation_signal signal;
      std::error_code cancelled;
      bool called = false;
      exits.next(asio::bind_cancellation_slot(
          signal.slot(), [&](std::error_code error, const cohort::exit_event&) {
            called = true;
            cancelled = error;
          }));
      signal.emit(type);
      cohort::worker worker = co_await primary.start();
      worker.kill(SIGKILL);
      co_await worker.exited();
      CHECK(called);
      CHECK(cancelled == asio::error::operation_aborted);
      const cohort::exit_event event = co_await exits.next();
      CHECK(event.worker == expected++);
    }
  });
}

} // namespace events_test
