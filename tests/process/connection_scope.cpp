// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The drain of workers that serve their connections in a scope: what becomes of the clients, and
// when it ends. Workers with the role "load", see tests/support/load_server.hpp.

#include "support/conversation.hpp"
#include "support/time_factor.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>

namespace connection_scope_drain {

using namespace cohort_test;
using namespace std::chrono_literals;

using clock_type = std::chrono::steady_clock;

/// What the tests allow a drain beyond its deadline.
std::chrono::milliseconds tolerance() { return 200ms * time_factor(); }

/// @param steps graces and deadline in milliseconds.
cohort::environment loaded(const std::string& steps, const std::string& listen = "127.0.0.1:0")
{
  return role("load").set("COHORT_TEST_LISTEN", listen).set("COHORT_TEST_STEPS", steps);
}

/// How long a worker takes to drain; it has to end by itself.
awaitable<clock_type::duration> drain(cohort::worker worker)
{
  const auto begin = clock_type::now();
  const cohort::exit_status status = co_await worker.disconnect(30s);
  CHECK_MESSAGE(status.success(), status.to_string());
  co_return clock_type::now() - begin;
}

/// Waits until so many connections have been taken.
awaitable<void> taken(cluster_fixture& primary, std::size_t count)
{
  const auto all = [&] { return primary.cluster().counters().taken == count; };
  const bool all_at_last = co_await primary.eventually(all);
  REQUIRE(all_at_last);
}

/// A client that reads whatever it gets until it is told to end, or the server ends.
void swallow(client& one)
{
  std::string line;
  while (one.receive(line) == outcome::ok) {
  }
}

/// How long a worker takes to drain, with a deadline of 600 ms, while clients of all kinds are
/// there.
awaitable<clock_type::duration> drain_under_all(cluster_fixture& primary, std::string listen)
{
  cohort::worker worker = co_await primary.start(loaded("100 200 600", listen));
  const address where = co_await primary.address_of(worker);
  const std::size_t before = primary.cluster().counters().taken;
  client idle(where), half(where), never(where), greedy(where), sleepy(where), stubborn(where);
  const answer first = co_await ask_on(primary, idle);
  CHECK(first.result == outcome::ok);
  half.send("4711 ke");
  never.request("never");
  greedy.request("flood");
  sleepy.request("flood");
  stubborn.request("stubborn");
  co_await taken(primary, before + 6);
  const auto begin = clock_type::now();
  worker.disconnect(30s, [](std::error_code, cohort::exit_status) {});
  auto read = [&] { swallow(greedy); };
  co_await primary.in_thread(read);
  const cohort::exit_status status = co_await worker.exited();
  const auto took = clock_type::now() - begin;
  CHECK_MESSAGE(status.success(), status.to_string());
  for (client* one : {&half, &never, &stubborn}) {
    const outcome end = co_await end_of(primary, *one);
    CHECK(end == outcome::ok);
  }
  co_return took;
}

TEST_CASE("idle connections, of either kind, do not hold a drain up beyond their grace")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(loaded("50 100 20000"));
    const address where = co_await primary.address_of(worker);
    client idle(where), fresh(where);
    const answer first = co_await ask_on(primary, idle);
    CHECK(first.result == outcome::ok);
    co_await taken(primary, 2);
    const auto took = co_await drain(worker);
    CHECK(took >= 100ms);
    CHECK(took < 20s);
    const outcome idle_end = co_await end_of(primary, idle);
    CHECK(idle_end == outcome::ok);
    const outcome fresh_end = co_await end_of(primary, fresh);
    CHECK(fresh_end == outcome::ok);
  });
}

TEST_CASE("one more request within the grace is answered, with the notice that it is the last")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    // A grace that is longer than the test may take.
    cohort::worker worker = co_await primary.start(loaded("60000 60000 90000"));
    const address where = co_await primary.address_of(worker);
    client idle(where), fresh(where);
    const answer first = co_await ask_on(primary, idle);
    CHECK(first.more == "0");
    co_await taken(primary, 2);
    bool ended = false;
    worker.disconnect(30s, [&](std::error_code, cohort::exit_status) { ended = true; });
    // Until the worker has learnt of the drain.
    answer last = co_await ask_on(primary, idle);
    while (last.result == outcome::ok && last.more == "0") last = co_await ask_on(primary, idle);
    CHECK(last.more == "0 close");
    const outcome end = co_await end_of(primary, idle);
    CHECK(end == outcome::ok);
    CHECK_FALSE(ended);
    const answer only = co_await ask_on(primary, fresh);
    CHECK(only.more == "0 close");
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
  });
}

TEST_CASE("a request that runs when the drain begins is answered, long after the grace")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(loaded("1 1 60000"));
    const address where = co_await primary.address_of(worker);
    client running(where), idle(where);
    running.request("slow 300");
    co_await taken(primary, 2);
    const auto took = co_await drain(worker);
    CHECK(took < 60s);
    const outcome idle_end = co_await end_of(primary, idle);
    CHECK(idle_end == outcome::ok);
    answer late;
    auto receive = [&] { late = running.receive_answer(); };
    co_await primary.in_thread(receive);
    CHECK(late.result == outcome::ok);
    CHECK(late.more == "0 close");
  });
}

TEST_CASE("a drain ends within its deadline whatever the clients do")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::string places[] = {"127.0.0.1:0", "unix:" + primary.scratch.file("socket")};
    for (const std::string& each : places) {
      // On a busy machine processes are late now and then; one that does not keep its deadline is
      // late each time.
      clock_type::duration least = 1h;
      for (int i = 0; i != 5 && least >= 600ms + tolerance(); ++i) {
        const auto took = co_await drain_under_all(primary, each);
        CHECK(took >= 600ms);
        least = std::min(least, took);
      }
      CHECK(least < 600ms + tolerance());
    }
  });
}

} // namespace connection_scope_drain
