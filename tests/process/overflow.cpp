// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include "support/cluster_fixture.hpp"
#include "support/load.hpp"

#include <cohort/overflow.hpp>
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/when_full.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace overflow_test {

using namespace cohort_test;
using cohort::overflow;
using namespace std::chrono_literals;

namespace {

using fixture = basic_cluster_fixture<cohort::any_policy>;
const auto grace = 500ms * time_factor();
using busy = cohort::when_full<cohort::least_connections>;

// So many clients that keep their connection, each with an answer.
std::vector<client> occupy(const address& where, std::size_t count)
{
  std::vector<client> kept(count);
  for (client& each : kept) {
    CHECK(each.connect(where) == outcome::ok);
    CHECK(each.ask("keep").result == outcome::ok);
  }
  return kept;
}

} // namespace

TEST_CASE("a worker that stalls is offered less the next time, if it wants that")
{
  basic_cluster_fixture<cohort::least_connections> primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker only = co_await primary.start(server("127.0.0.1:0 credit=128 adaptive"));
    const address where = co_await primary.address_of(only);
    auto one_client = [&] { CHECK(ask(where).result == outcome::ok); };
    co_await primary.in_thread(one_client);
    for (const bool has_stalled : {false, true}) {
      const std::uint64_t before = primary.cluster().counters().offered;
      const auto on_offer = [&] { return primary.cluster().counters().offered - before; };
      only.kill(SIGSTOP);
      std::vector<client> waiting(40);
      for (client& each : waiting) CHECK(each.connect(where) == outcome::ok);
      for (client& each : waiting) CHECK(each.request("get") == outcome::ok);
      const auto has_offered = [&] { return on_offer() != 0; };
      const bool offered = co_await primary.eventually(has_offered);
      CHECK(offered);
      // Longer than an offer may wait.
      asio::steady_timer stalled(primary.context, 10ms);
      co_await stalled.async_wait(asio::use_awaitable);
      CHECK((has_stalled ? on_offer() < 16 : on_offer() == 16));
      only.kill(SIGCONT);
      auto clients = [&] {
        for (client& each : waiting) CHECK(each.receive_answer().result == outcome::ok);
      };
      co_await primary.in_thread(clients);
    }
    co_await primary.end();
  });
}

TEST_CASE("when every worker has as many connections as it wants, the next client is told so")
{
  // Long enough for a worker to make room, or to say for the first time that it has.
  fixture primary(cohort::settings(), busy(overflow::refuse("0 full\n").after(grace)));
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers =
        co_await primary.start(2, server("127.0.0.1:0 max=2"));
    const address where = co_await primary.address_of(workers.front());
    auto clients = [&] {
      std::vector<client> kept = occupy(where, 4);
      std::vector<client> refused(50);
      for (client& each : refused) CHECK(each.connect(where) == outcome::ok);
      // Whether its request comes before or after the answer.
      for (std::size_t i = 0; i < 50; i += 2) CHECK(refused[i].request("get") == outcome::ok);
      for (client& each : refused) {
        std::string line;
        CHECK(each.receive(line) == outcome::ok);
        CHECK(line == "0 full");
        CHECK(each.receive_end() == outcome::ok);
      }
      // Who was there before is served on.
      for (client& each : kept) CHECK(each.ask("keep").result == outcome::ok);
      kept.pop_back();
      CHECK(ask(where).result == outcome::ok);
    };
    co_await primary.in_thread(clients);
    CHECK(primary.cluster().counters().overflowed == 50);
    co_await primary.end();
    const cohort::connection_counters counters = primary.cluster().counters();
    CHECK(counters.accepted == counters.taken + counters.closed + counters.overflowed);
  });
}

TEST_CASE("or its connection is reset")
{
  fixture primary(cohort::settings(), busy(overflow::reset().after(grace)));
  primary.run([&]() -> awaitable<void> {
    const cohort::worker only = co_await primary.start(server("127.0.0.1:0 max=1"));
    const address where = co_await primary.address_of(only);
    auto clients = [&] {
      const std::vector<client> kept = occupy(where, 1);
      client refused(where);
      std::string line;
      CHECK(refused.receive(line) == outcome::reset);
    };
    co_await primary.in_thread(clients);
    CHECK(primary.cluster().counters().overflowed == 1);
    co_await primary.end();
  });
}

TEST_CASE("who waits gets the room that somebody makes in time")
{
  fixture primary(cohort::settings(), busy(overflow::refuse("0 full\n").after(1h)));
  primary.run([&]() -> awaitable<void> {
    const cohort::worker only = co_await primary.start(server("127.0.0.1:0 max=1"));
    const address where = co_await primary.address_of(only);
    auto clients = [&] {
      std::vector<client> kept = occupy(where, 1);
      std::vector<client> waiting(10);
      for (client& each : waiting) CHECK(each.connect(where) == outcome::ok);
      for (client& each : waiting) CHECK(each.request("get") == outcome::ok);
      kept.clear();
      for (client& each : waiting) CHECK(each.receive_answer().result == outcome::ok);
    };
    co_await primary.in_thread(clients);
    CHECK(primary.cluster().counters().overflowed == 0);
    co_await primary.end();
  });
}

TEST_CASE("a burst is no overflow while workers are not full")
{
  fixture primary(cohort::settings(), busy(overflow::refuse("0 full\n").after(10s)));
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers =
        co_await primary.start(2, server("127.0.0.1:0 credit=1"));
    const address where = co_await primary.address_of(workers.front());
    std::vector<client> burst(200);
    std::vector<answer> answers;
    auto clients = [&] {
      for (client& each : burst) CHECK(each.connect(where) == outcome::ok);
      for (client& each : burst) CHECK(each.request("get") == outcome::ok);
      for (client& each : burst) answers.push_back(each.receive_answer());
    };
    co_await primary.in_thread(clients);
    CHECK(summary(answers) == "200 ok");
    co_await primary.end();
  });
}

TEST_CASE("no more wait in the primary than it is allowed, and none is lost by that")
{
  fixture primary(cohort::settings(), busy(overflow::refuse("0 full\n").after(grace / 5).limit(3)));
  primary.run([&]() -> awaitable<void> {
    const cohort::worker only = co_await primary.start(server("127.0.0.1:0 max=1"));
    const address where = co_await primary.address_of(only);
    auto clients = [&] {
      const std::vector<client> kept = occupy(where, 1);
      std::vector<client> waiting(20);
      for (client& each : waiting) CHECK(each.connect(where) == outcome::ok);
      for (client& each : waiting) {
        std::string line;
        CHECK(each.receive(line) == outcome::ok);
        CHECK(line == "0 full");
      }
    };
    co_await primary.in_thread(clients);
    CHECK(primary.cluster().counters().overflowed == 20);
    co_await primary.end();
  });
}

} // namespace overflow_test
