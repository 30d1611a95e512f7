// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Who leaves hands over what it has not taken, and the last one serves it.

#include "support/conversation.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

namespace hand_over_test {

using namespace cohort_test;
using namespace std::chrono_literals;

TEST_CASE("what a draining worker has not taken goes to others")
{
  cluster_fixture primary;
  std::vector<answer> answers;
  primary.run([&]() -> awaitable<void> {
    // It takes one connection, which makes the primary offer more, and then asks for no other.
    cohort::worker lazy =
        co_await primary.start(primary.controlled(server("127.0.0.1:0 accept=1")));
    const address where = co_await primary.address_of(lazy);
    client live(where);
    const answer first = co_await ask_on(primary, live);
    CHECK(first.worker == lazy.id());
    std::vector<client> clients;
    for (int i = 0; i != 10; ++i) {
      clients.emplace_back(where);
      clients.back().request("get");
    }
    const auto offered = [&] { return primary.cluster().counters().offered == 11; };
    const bool offered_at_last = co_await primary.eventually(offered);
    CHECK(offered_at_last);
    cohort::worker other = co_await primary.start();
    lazy.disconnect(30s, [](std::error_code, cohort::exit_status) {});
    auto receive = [&] {
      for (client& each : clients) answers.push_back(each.receive_answer());
    };
    co_await primary.in_thread(receive);
    for (const answer& each : answers) CHECK(each.worker == other.id());
    CHECK(primary.cluster().counters().refused == 10);
    CHECK(primary.cluster().counters().redispatched == 10);
    live.close();
    co_await primary.end();
  });
  CHECK(summary(answers) == "10 ok");
}

TEST_CASE("the last worker of a listener serves what waits there before it leaves")
{
  cluster_fixture primary;
  std::vector<answer> answers;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start();
    const address where = co_await primary.address_of(worker);
    // Stopped, it can neither take them nor see the drain before them.
    client warm(where);
    co_await ask_on(primary, warm, "get");
    worker.kill(SIGSTOP);
    std::vector<client> clients;
    for (int i = 0; i != 40; ++i) {
      clients.emplace_back(where);
      clients.back().request("get");
    }
    worker.disconnect(30s, [](std::error_code, cohort::exit_status) {});
    worker.kill(SIGCONT);
    auto receive = [&] {
      for (client& each : clients) answers.push_back(each.receive_answer());
    };
    co_await primary.in_thread(receive);
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
    CHECK(primary.cluster().counters().closed == 0);
  });
  CHECK(summary(answers) == "40 ok");
}

TEST_CASE("a last worker that closes during its last call drains at once")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker =
        co_await primary.start(primary.controlled(server("127.0.0.1:0 accept=1")));
    const address where = co_await primary.address_of(worker);
    client live(where);
    co_await ask_on(primary, live);
    std::vector<client> clients = connect_many(where, 3);
    const auto offered = [&] { return primary.cluster().counters().offered == 4; };
    const bool offered_at_last = co_await primary.eventually(offered);
    CHECK(offered_at_last);
    worker.disconnect(30s, [](std::error_code, cohort::exit_status) {});
    co_await primary.command(worker, "close 0");
    // Nobody is left who could serve them.
    for (client& each : clients) {
      const outcome end = co_await end_of(primary, each);
      CHECK((end == outcome::ok || end == outcome::reset));
    }
    co_await drained(primary, worker);
    const answer last = co_await ask_on(primary, live, "get");
    CHECK(last.result == outcome::ok);
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
  });
}

TEST_CASE("workers that leave together hand over what one of them has not taken")
{
  cluster_fixture primary;
  std::vector<answer> answers;
  primary.run([&]() -> awaitable<void> {
    cohort::worker lazy = co_await primary.start(server("127.0.0.1:0 accept=1"));
    const address where = co_await primary.address_of(lazy);
    client live(where);
    co_await ask_on(primary, live);
    std::vector<client> clients;
    for (int i = 0; i != 3; ++i) {
      clients.emplace_back(where);
      clients.back().request("get");
    }
    const auto offered = [&] { return primary.cluster().counters().offered == 4; };
    const bool offered_at_last = co_await primary.eventually(offered);
    CHECK(offered_at_last);
    co_await primary.start();
    live.close();
    co_await primary.end();
    auto receive = [&] {
      for (client& each : clients) answers.push_back(each.receive_answer());
    };
    co_await primary.in_thread(receive);
  });
  CHECK(summary(answers) == "3 ok");
}

} // namespace hand_over_test
