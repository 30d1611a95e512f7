// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers die at the worst moments; their clients must not notice more than they have to.

#include "support/cluster_fixture.hpp"
#include "support/load.hpp"
#include "support/stopped_worker.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <algorithm>
#include <deque>
#include <fstream>
#include <map>
#include <random>

namespace kill_test {

using namespace cohort_test;

namespace {

// How often each request was served, by the workers' own log.
std::map<std::uint64_t, unsigned> served(const std::string& log)
{
  std::map<std::uint64_t, unsigned> times;
  std::ifstream file(log);
  std::uint64_t id = 0;
  pid_t pid = 0;
  while (file >> id >> pid) ++times[id];
  return times;
}

} // namespace

namespace {

// Workers that are stopped, offered connections and killed, one after another.
void kill_with_offers(cluster_fixture& primary, const cohort::environment& variables)
{
  constexpr int rounds = 20;
  constexpr unsigned credit = 16;
  auto& cluster = primary.cluster();
  primary.run(
      [&]() -> awaitable<void> {
        std::deque<cohort::worker> workers;
        const std::vector<cohort::worker> first = co_await primary.start(2, variables);
        workers.assign(first.begin(), first.end());
        const address where = co_await primary.address_of(workers.front());
        for (int round = 0; round != rounds; ++round) {
          CAPTURE(round);
          auto warm_up = [&] {
            for (bool old = false, young = false; !old || !young;) {
              const cohort::worker_id by = ask(where).worker;
              old = old || by == workers[0].id();
              young = young || by == workers[1].id();
              if (by == 0) break;
            }
          };
          co_await primary.in_thread(warm_up);
          const auto all_are_taken = [&] {
            const cohort::connection_counters now = cluster.counters();
            return now.taken == now.accepted;
          };
          const bool quiet = co_await primary.eventually(all_are_taken);
          REQUIRE(quiet);
          const cohort::connection_counters before = cluster.counters();
          REQUIRE(stop_worker(workers[0]));
          // Twice as many as the stopped one may be offered, and some more: it takes its whole
          // credit, the other one the rest.
          std::vector<client> clients;
          for (unsigned i = 0; i != 2 * credit + 8; ++i) {
            clients.emplace_back(where);
            clients.back().request("get");
          }
          const auto all_are_out = [&] {
            const cohort::connection_counters now = cluster.counters();
            return now.taken - before.taken == clients.size() - credit;
          };
          const bool stuck = co_await primary.eventually(all_are_out);
          REQUIRE(stuck);
          CHECK(cluster.counters().offered - before.offered == clients.size());

          workers[0].kill(SIGKILL);
          std::vector<answer> answers;
          auto receive = [&] {
            for (client& each : clients) {
              answers.push_back(each.receive_answer());
              const outcome end = each.receive_end();
              if (end != outcome::ok) answers.back().result = end;
            }
          };
          co_await primary.in_thread(receive);
          CHECK(summary(answers) == std::to_string(clients.size()) + " ok");
          for (const answer& each : answers) CHECK(each.worker == workers[1].id());
          const cohort::connection_counters after = cluster.counters();
          CHECK(after.redispatched - before.redispatched == credit);
          // The end of its last connection may be what it had not told yet.
          CHECK(after.lost - before.lost <= 1);
          CHECK(after.closed == 0);

          cohort::worker replacement = co_await primary.start(variables);
          workers.pop_front();
          workers.push_back(replacement);
        }
        co_await primary.end();
      },
      std::chrono::seconds(60));
}

} // namespace

TEST_CASE("what waits in the channel of a stopped and killed worker is answered by others")
{
  cluster_fixture primary;
  kill_with_offers(primary, server());
}

TEST_CASE("the same with the clients of a unix socket")
{
  cluster_fixture primary;
  kill_with_offers(primary, server("unix:" + primary.scratch.file("web.sock")));
}

TEST_CASE("two hundred workers killed at random under load lose no more than they had taken")
{
  constexpr int kills = 200;
  constexpr std::size_t size = 4;
  cluster_fixture primary;
  auto& cluster = primary.cluster();
  const std::string log = primary.scratch.file("served");
  std::vector<answer> answers;
  cohort::connection_counters counters;
  primary.run(
      [&]() -> awaitable<void> {
        const cohort::environment variables =
            server("127.0.0.1:0 hold").set("COHORT_TEST_LOG", log);
        std::vector<cohort::worker> workers = co_await primary.start(size, variables);
        const address where = co_await primary.address_of(workers.front());
        const std::size_t descriptors = count_descriptors();

        load clients(where, 4);
        load keeping(where, 2, connections::kept);
        std::mt19937 random(20240917);
        asio::steady_timer pause(primary.context);
        for (int i = 0; i != kills; ++i) {
          pause.expires_after(std::chrono::microseconds(random() % 4000));
          co_await pause.async_wait(asio::use_awaitable);
          cohort::worker& victim = workers[random() % size];
          victim.kill(SIGKILL);
          // Mostly the replacement is there at once; at times two are gone together.
          const cohort::exit_status status = co_await victim.exited();
          CHECK(status.signal() == SIGKILL);
          victim = co_await cluster.co_fork(variables);
          if (random() % 4 != 0) co_await victim.listening();
        }
        auto finish = [&] { clients.stop(), keeping.stop(); };
        co_await primary.in_thread(finish);
        answers = clients.answers();
        answers.insert(answers.end(), keeping.answers().begin(), keeping.answers().end());
        for (cohort::worker& each : workers) co_await each.listening();
        // The last answers may be here before the acknowledgements in front of them are read.
        const auto as_before = [&] { return count_descriptors() == descriptors; };
        const bool as_before_at_last = co_await primary.eventually(as_before);
        CHECK(as_before_at_last);
        counters = cluster.counters();
        co_await primary.end();
      },
      std::chrono::seconds(90));
  MESSAGE(summary(answers), "; redispatched ", counters.redispatched, ", lost ", counters.lost);
  CHECK(answers.size() > kills);
  CHECK(count(answers, outcome::timeout) == 0);
  CHECK(count(answers, outcome::wrong) == 0);
  CHECK(count(answers, outcome::twice) == 0);
  CHECK(count(answers, outcome::refused) == 0);
  CHECK(count(answers, outcome::eof) + count(answers, outcome::reset) <= counters.lost);
  CHECK(counters.closed == 0);
  const auto times = served(log);
  const auto is_repeated = [](const auto& each) { return each.second != 1; };
  CHECK(std::count_if(times.begin(), times.end(), is_repeated) == 0);
  const auto is_unknown = [&](const answer& each) {
    return each.result == outcome::ok && times.count(each.id) == 0;
  };
  CHECK(std::count_if(answers.begin(), answers.end(), is_unknown) == 0);
}

TEST_CASE("a client of a killed worker sees the end of its connection")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start();
    const address where = co_await primary.address_of(worker);
    client one(where);
    answer first;
    auto ask_once = [&] { first = one.ask("keep"); };
    co_await primary.in_thread(ask_once);
    CHECK(first.result == outcome::ok);
    worker.kill(SIGKILL);
    outcome end = outcome::timeout;
    auto wait_for_end = [&] { end = one.receive_end(); };
    co_await primary.in_thread(wait_for_end);
    CHECK(end == outcome::ok);
    co_await worker.exited();
    CHECK(primary.cluster().counters().lost == 1);
    // The last worker's listener is gone with it.
    CHECK(ask(where).result == outcome::refused);
  });
}

TEST_CASE("held clients wait across the death of the only worker")
{
  cluster_fixture primary;
  std::vector<answer> answers;
  primary.run([&]() -> awaitable<void> {
    const cohort::environment variables = server("127.0.0.1:0 hold");
    cohort::worker worker = co_await primary.start(variables);
    const address where = co_await primary.address_of(worker);
    client crasher(where);
    crasher.request("crash");
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.signal() == SIGABRT);
    CHECK_FALSE(worker.exited_after_disconnect());

    std::vector<client> clients;
    for (int i = 0; i != 5; ++i) {
      clients.emplace_back(where);
      CHECK(clients.back().request("get") == outcome::ok);
    }
    co_await primary.start(variables);
    auto receive = [&] {
      for (client& each : clients) answers.push_back(each.receive_answer());
    };
    co_await primary.in_thread(receive);
    co_await primary.end();
  });
  CHECK(summary(answers) == "5 ok");
}

} // namespace kill_test
