// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Graceful ends: of one worker, from either side, and what becomes of its clients.

#include "support/conversation.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/redirect_error.hpp>

namespace drain_test {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

} // namespace

TEST_CASE("a drain lets the live connection finish")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server()));
    const address where = co_await primary.address_of(worker);
    client live(where);
    const answer first = co_await ask_on(primary, live);
    CHECK(first.result == outcome::ok);
    bool ended = false;
    worker.disconnect(30s, [&](std::error_code, cohort::exit_status status) {
      ended = true;
      CHECK(status.success());
    });
    CHECK(worker.exited_after_disconnect());
    co_await drained(primary, worker);
    // Nobody listens any more, but who is connected is served.
    CHECK(ask(where).result == outcome::refused);
    const answer second = co_await ask_on(primary, live);
    CHECK(second.result == outcome::ok);
    CHECK_FALSE(ended);
    const answer last = co_await ask_on(primary, live, "get");
    CHECK(last.result == outcome::ok);
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
  });
}

TEST_CASE("an idle connection is told of the drain and ends between two requests")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(server().set("COHORT_TEST_POLITE", "1"));
    const address where = co_await primary.address_of(worker);
    client idle(where);
    client busy(where);
    co_await ask_on(primary, idle);
    busy.request("late");
    const auto both = [&] { return primary.cluster().counters().taken == 2; };
    const bool both_at_last = co_await primary.eventually(both);
    CHECK(both_at_last);
    bool ended = false;
    worker.disconnect(30s, [&](std::error_code, cohort::exit_status) { ended = true; });
    const outcome end = co_await end_of(primary, idle);
    CHECK(end == outcome::ok);
    CHECK_FALSE(ended);
    busy.send("now\n");
    answer late;
    auto receive = [&] { late = busy.receive_answer(); };
    co_await primary.in_thread(receive);
    CHECK(late.result == outcome::ok);
    busy.close();
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
  });
}

TEST_CASE("past its deadline a worker is terminated")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start();
    const address where = co_await primary.address_of(worker);
    client live(where);
    co_await ask_on(primary, live);
    const auto begin = clock_type::now();
    const cohort::exit_status status = co_await worker.disconnect(200ms);
    CHECK(status.signal() == SIGTERM);
    CHECK(worker.exited_after_disconnect());
    CHECK(clock_type::now() - begin >= 200ms);
  });
}

TEST_CASE("a worker that ignores SIGTERM is killed after its deadline")
{
  cluster_fixture primary(cohort::settings().kill_grace(100ms));
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(server().set("COHORT_TEST_IGNORE_TERM", "1"));
    const address where = co_await primary.address_of(worker);
    client live(where);
    co_await ask_on(primary, live);
    const auto begin = clock_type::now();
    const cohort::exit_status status = co_await worker.disconnect(100ms);
    CHECK(status.signal() == SIGKILL);
    CHECK(clock_type::now() - begin >= 200ms);
  });
}

TEST_CASE("a stopped worker does not outlive the deadline of its drain")
{
  cluster_fixture primary(cohort::settings().kill_grace(100ms));
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start();
    worker.kill(SIGSTOP);
    const cohort::exit_status status = co_await worker.disconnect(100ms);
    CHECK(status.signal() == SIGKILL);
  });
}

TEST_CASE("a second disconnect shortens the deadline and changes nothing else")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server()));
    const address where = co_await primary.address_of(worker);
    client live(where);
    co_await ask_on(primary, live);
    int completed = 0;
    const auto count_it = [&](std::error_code error, cohort::exit_status status) {
      CHECK_FALSE(error);
      CHECK(status.signal() == SIGTERM);
      ++completed;
    };
    worker.disconnect(60s, count_it);
    worker.disconnect(100s, count_it);
    co_await drained(primary, worker);
    const answer meanwhile = co_await ask_on(primary, live);
    CHECK(meanwhile.result == outcome::ok);
    const auto begin = clock_type::now();
    worker.disconnect(300ms, count_it);
    // A longer one does not lengthen it again.
    worker.disconnect(40s, count_it);
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.signal() == SIGTERM);
    CHECK(clock_type::now() - begin < 30s);
    // After the end it completes at once.
    const cohort::exit_status again = co_await worker.disconnect();
    CHECK(again.signal() == SIGTERM);
    CHECK(completed == 4);
  });
}

TEST_CASE("a listen while draining completes with error::draining")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server()));
    const address where = co_await primary.address_of(worker);
    client live(where);
    co_await ask_on(primary, live);
    worker.disconnect(30s, [](std::error_code, cohort::exit_status) {});
    co_await drained(primary, worker);
    const std::string reply = co_await primary.command(worker, "listen 127.0.0.1:0");
    CHECK(reply == "error cohort the worker is draining");
    const std::string ended = co_await primary.command(worker, "ended 0");
    CHECK(ended == "the worker is draining");
    live.close();
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
  });
}

TEST_CASE("a worker leaves by itself")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server()));
    const address where = co_await primary.address_of(worker);
    client live(where);
    co_await ask_on(primary, live);
    CHECK_FALSE(worker.exited_after_disconnect());
    const std::string reply = co_await primary.command(worker, "leave");
    CHECK(reply == "ok");
    co_await drained(primary, worker);
    const answer meanwhile = co_await ask_on(primary, live);
    CHECK(meanwhile.result == outcome::ok);
    live.close();
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
    CHECK(worker.exited_after_disconnect());
  });
}

TEST_CASE("the last worker of a listener that leaves by itself serves all who wait")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers =
        co_await primary.start(2, primary.controlled(server("127.0.0.1:0 credit=2 max=1")));
    const address where = co_await primary.address_of(workers.front());
    std::vector<client> holders = connect_many(where, 2, "keep");
    const std::vector<answer> held = co_await answers_to(primary, holders);
    CHECK(summary(held) == "2 ok");
    std::vector<client> waiting = connect_many(where, 20);
    for (const cohort::worker& each : workers) {
      const std::string reply = co_await primary.command(each, "leave");
      CHECK(reply == "ok");
    }
    for (client& each : holders) each.close();
    const std::vector<answer> answers = co_await answers_to(primary, waiting);
    CHECK(summary(answers) == "20 ok");
    for (cohort::worker each : workers) {
      const cohort::exit_status status = co_await each.exited();
      CHECK(status.success());
      CHECK(each.exited_after_disconnect());
    }
  });
}

TEST_CASE("a socket that was given away does not hold a drain up")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start();
    const address where = co_await primary.address_of(worker);
    client away(where);
    const answer given = co_await ask_on(primary, away, "give_away");
    CHECK(given.result == outcome::ok);
    bool ended = false;
    worker.disconnect(30s, [&](std::error_code, cohort::exit_status) { ended = true; });
    // It has left, and goes on for what is not the cluster's business.
    co_await worker.disconnected();
    CHECK_FALSE(ended);
    away.close();
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
  });
}

} // namespace drain_test
