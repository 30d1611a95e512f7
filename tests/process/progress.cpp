// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What a worker tells of itself: that it serves, what it has done, that it wants to be replaced.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include "support/cluster_fixture.hpp"
#include "support/worker_roles.hpp"

#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <system_error>

namespace progress_test {

using namespace cohort_test;

namespace {

// A worker that carries out each word of COHORT_TEST_SAYS, and lives until it is told to leave.
COHORT_TEST_WORKER_ROLE(progress)
{
  asio::io_context context(1);
  cohort::this_worker self(context);
  if (self.group() != variable("COHORT_TEST_GROUP") || std::getenv("COHORT_GROUP")) return 3;
  for (const char each : variable("COHORT_TEST_SAYS")) {
    switch (each) {
    case 'r': self.ready(); break;
    case 'd': self.request_done(); break;
    case 'x': self.request_replacement(); break;
    default: return 4;
    }
  }
  context.run();
  return 0;
}

cohort::settings saying(const std::string& words)
{
  return cohort::settings().env(role("progress").set("COHORT_TEST_SAYS", words));
}

} // namespace

TEST_CASE("a worker that listens nowhere says that it serves")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto events = primary.cluster().subscribe<cohort::ready_event>();
    cohort::worker worker = co_await primary.cluster().co_fork(saying("rr"));
    co_await worker.ready();
    const cohort::ready_event event = co_await events.next();
    CHECK(event.worker == worker.id());
    CHECK(event.pid == worker.pid());
    co_await primary.end();
  });
}

TEST_CASE("a worker that listens serves, also if it says so before")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto events = primary.cluster().subscribe<cohort::ready_event, cohort::exit_event>();
    cohort::worker worker = co_await primary.start();
    co_await worker.ready();
    co_await primary.end();
    const auto first = co_await events.next();
    CHECK(first.index() == 0);
    const auto second = co_await events.next();
    CHECK(second.index() == 1);
  });
}

TEST_CASE("waiting for one that ends before it serves ends with an error")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(saying(""));
    co_await worker.online();
    worker.kill(SIGKILL);
    std::error_code error;
    co_await worker.ready(asio::redirect_error(asio::use_awaitable, error));
    CHECK(error == cohort::error::worker_gone);
    co_await worker.exited();
  });
}

TEST_CASE("requests are counted, and who has answered enough of them is to be replaced")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto events = primary.cluster().subscribe<cohort::retire_event>();
    cohort::settings how = saying("rddddx");
    how.max_requests(4);
    cohort::worker worker = co_await primary.cluster().co_fork(how);
    const cohort::retire_event event = co_await events.next();
    CHECK(event.worker == worker.id());
    // Its program asks before the event loop has its turn to tell of the requests.
    CHECK(event.reason == cohort::retire_reason::asked);
    const auto all_are_counted = [&] { return worker.requests() == 4; };
    const bool counted = co_await primary.eventually(all_are_counted);
    CHECK(counted);
    how = saying("ddd");
    how.max_requests(3);
    cohort::worker second = co_await primary.cluster().co_fork(how);
    const cohort::retire_event served = co_await events.next();
    CHECK(served.worker == second.id());
    CHECK(served.reason == cohort::retire_reason::requests);
    CHECK(second.requests() == 3);
    co_await primary.end();
  });
}

TEST_CASE("settings given to a fork are for that worker alone, above those of the cluster")
{
  cohort::settings how = cohort::settings().env(role("progress")).group("all");
  cluster_fixture primary(how);
  primary.run([&]() -> awaitable<void> {
    cohort::settings more = cohort::settings().group("web").generation(7);
    more.env(cohort::environment().set("COHORT_TEST_GROUP", "web"));
    cohort::worker first = co_await primary.cluster().co_fork(more);
    const auto expected = cohort::environment().set("COHORT_TEST_GROUP", "all");
    cohort::worker second = co_await primary.cluster().co_fork(expected);
    co_await first.online();
    co_await second.online();
    CHECK(first.group() == "web");
    CHECK(second.group() == "all");
    co_await primary.end();
  });
}

} // namespace progress_test
