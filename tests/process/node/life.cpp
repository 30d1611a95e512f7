// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// How workers live and end, after the tests of Node's cluster: each test case begins with the name
// of Node's file, as docs/node.md lists them.

#include "support/cluster_fixture.hpp"
#include "support/node_orders.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>

#include <array>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <csignal>
#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace node_life {

using namespace cohort_test::node;
using cohort_test::awaitable;
using cohort_test::cluster_fixture;

using subscription = cohort::subscription<cohort::fork_event, cohort::online_event,
    cohort::listening_event, cohort::disconnect_event, cohort::exit_event, cohort::setup_event>;
using words = std::vector<std::string>;

/// What a cluster publishes.
class story {
public:
  explicit story(cohort::cluster<>& cluster)
      : cluster_(cluster),
        events_(cluster.subscribe<cohort::fork_event, cohort::online_event, cohort::listening_event,
                cohort::disconnect_event, cohort::exit_event, cohort::setup_event>())
  {
  }

  /// Everything until now that was not told before. Setups by forks are left out.
  awaitable<words> until_now()
  {
    constexpr std::uint32_t mark = 4711; // behind everything there is
    cluster_.setup(cohort::settings().generation(mark));
    words told;
    for (;;) {
      const subscription::value_type event = co_await events_.next();
      if (const auto* setup = std::get_if<cohort::setup_event>(&event)) {
        if (setup->settings.generation() == mark) co_return told;
        continue;
      }
      constexpr std::array names = {"fork", "online", "listening", "disconnect", "exit"};
      told.push_back(names[event.index()]);
      if (const auto* exit = std::get_if<cohort::exit_event>(&event)) last_exit = *exit;
    }
  }

  cohort::exit_event last_exit;

private:
  cohort::cluster<>& cluster_;
  subscription events_;
};

/// Both orders of the last two are allowed.
void check_end(const words& told)
{
  const bool either = told == words{"disconnect", "exit"} || told == words{"exit", "disconnect"};
  CHECK_MESSAGE(either, "disconnect and exit once each");
}

/// Starts a worker that listens.
awaitable<cohort::worker> start_listening(cluster_fixture& primary)
{
  cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
  worker.send(order("listen"));
  co_await worker.listening();
  // It says so too, and nothing is on its way any more.
  co_await worker.receive();
  co_return worker;
}

TEST_CASE("basic: a worker is forked, online, listens and exits, each told once and in order")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    auto forks = cluster.subscribe<cohort::fork_event>();
    auto onlines = cluster.subscribe<cohort::online_event>();
    auto addresses = cluster.subscribe<cohort::listening_event>();
    story events(cluster);
    cohort::worker worker = co_await cluster.co_fork(node_role("node_json"));
    CHECK(worker.id() == 1);
    CHECK(worker.pid() > 0);
    CHECK(cluster.find(1) == worker);
    const cohort::fork_event forked = co_await forks.next();
    CHECK(forked.worker == 1);
    CHECK(forked.pid == worker.pid());
    const cohort::online_event online = co_await onlines.next();
    CHECK(online.worker == 1);
    CHECK(online.pid == worker.pid());

    worker.send(order("listen"));
    const cohort::listening_event listening = co_await addresses.next();
    CHECK(listening.worker == 1);
    CHECK(listening.pid == worker.pid());
    CHECK(listening.type == cohort::address_type::tcp4);
    CHECK(listening.address == "127.0.0.1");
    const auto port = co_await worker.receive();
    CHECK(port.message == listening.port);
    const words life = co_await events.until_now();
    CHECK(life == words{"fork", "online", "listening"});

    const cohort::exit_status status = co_await worker.disconnect();
    CHECK(status.code() == 0);
    CHECK_FALSE(status.has_signal());
    const words end = co_await events.until_now();
    check_end(end);
    CHECK(events.last_exit.worker == 1);
    CHECK(events.last_exit.pid == worker.pid());
    CHECK(events.last_exit.status == status);
    CHECK(events.last_exit.voluntary);
  });
}

TEST_CASE("basic: a child of a worker is not taken for a worker")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send(order("tell environment"));
    const auto told = co_await worker.receive();
    const std::string variables = '\n' + std::string(told.message.as_string());
    CHECK(variables.find("\nCOHORT_TEST_ROLE=node_json\n") != variables.npos);
    for (const char* own : {"COHORT_WORKER_ID", "COHORT_CONTROL_FD", "COHORT_MESSAGE_FD"}) {
      CAPTURE(own);
      CHECK(variables.find('\n' + std::string(own) + '=') == variables.npos);
    }
    co_await primary.end();
  });
}

TEST_CASE("worker_death: what a worker exits with is told by the worker and by the cluster")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    story events(primary.cluster());
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send(order("exit", 42));
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.code() == 42);
    CHECK(status.signal() == 0);
    co_await events.until_now();
    CHECK(events.last_exit.worker == worker.id());
    CHECK(events.last_exit.status == status);
  });
}

TEST_CASE("worker_exit: a worker that listens and exits is gone, and nobody had announced it")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    story events(primary.cluster());
    cohort::worker worker = co_await start_listening(primary);
    CHECK(worker.is_connected());
    const words life = co_await events.until_now();
    CHECK(life == words{"fork", "online", "listening"});
    worker.send(order("exit", 42));
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.code() == 42);
    const words end = co_await events.until_now();
    check_end(end);
    CHECK_FALSE(worker.exited_after_disconnect());
    CHECK_FALSE(events.last_exit.voluntary);
    CHECK_FALSE(worker.is_connected());
    CHECK(worker.is_dead());
    CHECK(::kill(worker.pid(), 0) == -1);
    CHECK(errno == ESRCH);
  });
}

TEST_CASE("worker_isconnected: both sides are connected until the end, and neither afterwards")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    CHECK(worker.is_connected());
    worker.send(order("tell state"));
    const auto state = co_await worker.receive();
    CHECK(state.message.at("connected") == true);
    CHECK(worker.is_connected());
    // Its status says that it was not connected when it had left.
    worker.send(order("exit when it has left", 42));
    co_await worker.receive();
    const cohort::exit_status status = co_await worker.disconnect();
    CHECK(status.code() == 42);
    CHECK_FALSE(worker.is_connected());
  });
}

TEST_CASE("worker_isdead: a worker lives until its exit is told")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto exits = primary.cluster().subscribe<cohort::exit_event>();
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    CHECK_FALSE(worker.is_dead());
    worker.send(order("tell state"));
    const auto state = co_await worker.receive();
    CHECK(state.message.at("process") == worker.pid());
    CHECK_FALSE(worker.is_dead());
    worker.send(order("exit", 0));
    co_await exits.next();
    CHECK(worker.is_dead());
  });
}

/// Kills a worker that listens, by `kill`, and checks what is told of its end.
template <class Kill>
void expect_killed(Kill kill)
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto exits = primary.cluster().subscribe<cohort::exit_event>();
    story events(primary.cluster());
    cohort::worker worker = co_await start_listening(primary);
    co_await events.until_now();
    kill(worker);
    const cohort::exit_event told = co_await exits.next();
    CHECK(primary.cluster().workers().empty());
    CHECK(told.status.signal() == SIGKILL);
    CHECK(told.status.code() == -1);
    CHECK_FALSE(told.voluntary);
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status == told.status);
    co_await worker.disconnected();
    CHECK_FALSE(worker.is_connected());
    CHECK(worker.is_dead());
    CHECK_FALSE(worker.exited_after_disconnect());
    const words end = co_await events.until_now();
    check_end(end);
    CHECK(::kill(worker.pid(), 0) == -1);
  });
}

TEST_CASE("worker_kill_signal: a worker that the primary kills ends by that signal, unannounced")
{
  expect_killed([](cohort::worker& worker) { worker.kill(SIGKILL); });
}

TEST_CASE("worker_kill: a worker that somebody else kills ends the same")
{
  expect_killed([](cohort::worker& worker) { ::kill(worker.pid(), SIGKILL); });
}

} // namespace node_life
