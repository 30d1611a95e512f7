// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Channels that are cut, workers that end themselves, and what becomes of those they were to serve;
// and what a worker says before it is online. See ending_role.cpp for what the workers do.

#include "support/conversation.hpp"
#include "support/ending_workers.hpp"
#include "support/role_program.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/post.hpp>
#include <csignal>
#include <string>
#include <vector>

namespace node_cut_off {

using namespace cohort_test;
using namespace std::chrono_literals;

TEST_CASE("a channel that is cut here is gone at once, and twice does no harm")
{
  // Nobody is killed for being slow.
  cluster_fixture primary(cohort::settings().fence_grace(30s));
  auto& cluster = primary.cluster();
  primary.run([&]() -> awaitable<void> {
    auto ended = cluster.subscribe<cohort::disconnect_event>();
    bool seen = false;
    ended.next([&](std::error_code, const cohort::disconnect_event&) { seen = true; });
    cohort::worker worker = co_await begin(primary);
    worker.close_channel();
    CHECK_FALSE(worker.is_connected());
    CHECK_FALSE(seen);
    CHECK(worker.send(boost::json::value("late")) == cohort::send_status::not_connected);
    worker.close_channel();
    co_await ends(worker, well, false);
    CHECK(seen);
  });
}

TEST_CASE("last words give the status of a worker whose channel was cut on either side")
{
  cluster_fixture primary(cohort::settings().silent(true).fence_grace(30s));
  primary.run([&]() -> awaitable<void> {
    const cohort::environment talkative = ending().set("COHORT_TEST_LAST_WORDS", "42");
    cohort::worker here = co_await begin(primary, talkative);
    here.close_channel();
    co_await ends(here, cohort::exit_status::exited(42), false);
    cohort::worker there = co_await begin(primary, talkative);
    tell(there, "close_channel");
    co_await ends(there, cohort::exit_status::exited(42), false);
    // One that leaves, or ends itself, has none to say.
    cohort::worker leaving = co_await begin(primary, talkative);
    tell(leaving, "disconnect");
    co_await ends(leaving, well, true);
    cohort::worker killing = co_await begin(primary, talkative);
    tell(killing, "kill 3, close_channel");
    co_await ends(killing, cohort::exit_status::exited(3), true);
  });
}

TEST_CASE(
    "a worker that may drain does so when its channel is cut, until its deadline or its fence")
{
  cluster_fixture primary(cohort::settings().silent(true).fence_grace(30s));
  primary.run([&]() -> awaitable<void> {
    for (const std::string limit : {"1", "60000"}) {
      const cohort::environment patient =
          ending().set("COHORT_TEST_DRAIN_FOR", limit).set("COHORT_TEST_LAST_WORDS", "42");
      cohort::worker worker = co_await begin(primary, patient);
      tell(worker, "listen");
      const address where = co_await primary.address_of(worker);
      client live(where);
      auto talk = [&] { CHECK(echoes(live)); };
      co_await primary.in_thread(talk);
      worker.close_channel();
      if (limit == "1") {
        // The deadline is when the last words come.
        co_await ends(worker, cohort::exit_status::exited(42), false);
        continue;
      }
      co_await worker.disconnected();
      co_await primary.in_thread(talk);
      CHECK_FALSE(worker.is_dead());
      live.close();
      co_await ends(worker, well, false);
    }
  });
}

TEST_CASE("a worker that outlives the cut of its channel is killed when its grace is over")
{
  cluster_fixture primary(cohort::settings().fence_grace(50ms));
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await begin(primary);
    worker.kill(SIGSTOP);
    worker.close_channel();
    co_await ends(worker, cohort::exit_status::signalled(SIGKILL), false);
  });
}

TEST_CASE("whom a worker has not taken when its channel is cut goes to others, and nobody to two")
{
  cluster_fixture primary(cohort::settings().fence_grace(50ms));
  primary.run([&]() -> awaitable<void> {
    const cohort::environment two_at_once = server("127.0.0.1:0 credit=16");
    cohort::worker first = co_await primary.start(two_at_once);
    const address where = co_await primary.address_of(first);
    client warm_up(where);
    co_await ask_on(primary, warm_up);
    // Stopped, it is offered eight that it does not take.
    first.kill(SIGSTOP);
    co_await standing(primary, first);
    std::vector<client> waiting = connect_many(where, 8);
    const auto all_are_out = [&] { return primary.cluster().counters().offered == 9; };
    const bool offered = co_await primary.eventually(all_are_out);
    CHECK(offered);
    cohort::worker second = co_await primary.start(two_at_once);
    first.close_channel();
    const std::vector<answer> answers = co_await answers_to(primary, waiting);
    CHECK(summary(answers) == "8 ok");
    for (const answer& each : answers) CHECK(each.worker == second.id());
    CHECK(primary.cluster().counters().redispatched == 8);
    const auto all_are_taken = [&] { return primary.cluster().counters().taken == 9; };
    const bool taken_once = co_await primary.eventually(all_are_taken);
    CHECK(taken_once);
    co_await primary.end();
  });
}

TEST_CASE("what is offered to a worker that ends itself goes to others")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker first = co_await begin(primary);
    tell(first, "listen");
    const address where = co_await primary.address_of(first);
    client warm_up(where);
    auto talk = [&] { CHECK(echoes(warm_up)); };
    co_await primary.in_thread(talk);
    // It has the command before it sees the connections.
    first.kill(SIGSTOP);
    co_await standing(primary, first);
    tell(first, "kill 0");
    std::vector<client> waiting;
    for (int i = 0; i != 8; ++i) waiting.emplace_back(where);
    const auto all_are_out = [&] { return primary.cluster().counters().offered == 9; };
    const bool offered = co_await primary.eventually(all_are_out);
    CHECK(offered);
    cohort::worker second = co_await begin(primary);
    tell(second, "listen");
    co_await second.listening();
    first.kill(SIGCONT);
    co_await ends(first, well, true);
    int served = 0;
    auto talk_to_all = [&] {
      for (client& each : waiting) served += echoes(each);
    };
    co_await primary.in_thread(talk_to_all);
    const cohort::connection_counters counters = primary.cluster().counters();
    // What it had taken when it came to the command ended with it; the others were served.
    CHECK(served + static_cast<int>(counters.lost) == 8 + 1);
    for (client& each : waiting) each.close();
    warm_up.close();
    co_await primary.end();
  });
}

TEST_CASE(
    "a worker that stands alone ends itself with its first status, and tells who waits for it")
{
  role_program alone("standalone kill");
  CHECK(alone.line() == "left");
  CHECK(alone.wait() == 6);
}

TEST_CASE("a message that comes before the hello is received after the worker is online")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<std::string> order;
    cohort::worker worker = co_await primary.cluster().co_fork(role("message before hello"));
    worker.online([&](std::error_code error) { order.push_back(error ? "gone" : "online"); });
    primary.cluster().receive([&](std::error_code error, const auto& next) {
      order.push_back(error ? "nothing" : std::string(next.message.as_string()));
    });
    // Its message is in the socket when it has stopped.
    co_await standing(primary, worker);
    for (int turn = 0; turn != 10; ++turn)
      co_await asio::post(primary.context, asio::use_awaitable);
    CHECK(order.empty());
    worker.kill(SIGCONT);
    const auto both = [&] { return order.size() == 2; };
    const bool came = co_await primary.eventually(both);
    CHECK(came);
    CHECK(order == std::vector<std::string>{"online", "early"});
    co_await primary.end();
  });
}

TEST_CASE("what a worker said that never came online is received after its end")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(
        role("message before hello").set("COHORT_TEST_DIES", "1"));
    co_await standing(primary, worker);
    worker.kill(SIGCONT);
    co_await ends(worker, cohort::exit_status::exited(7), false);
    const std::string early = co_await heard(worker);
    CHECK(early == "early");
  });
}

} // namespace node_cut_off
