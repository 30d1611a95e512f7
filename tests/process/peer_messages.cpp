// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Messages from worker to worker.

#include "support/job_protocol.hpp"
#include "support/stopped_worker.hpp"

#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

namespace peer_messages_test {

using namespace cohort_test::jobs;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using std::to_string;

namespace {

cohort::settings member_of(const std::string& group)
{
  cohort::settings how;
  how.group(group).env(job_role("talks to others"));
  return how;
}

awaitable<worker_type> start(cluster_type& cluster, std::string group)
{
  worker_type worker = co_await cluster.co_fork(member_of(group));
  co_await worker.online();
  co_return worker;
}

constexpr std::uint64_t count = 500;
constexpr std::size_t mark = 200'000;

awaitable<std::string> heard(worker_type& worker)
{
  auto next = co_await worker.receive<result>();
  co_return next.message.what + ' ' + to_string(next.message.number);
}

} // namespace

TEST_CASE("a message to a group reaches all its workers but the sender, and tells whose it is")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type a = co_await start(cluster, "a");
    worker_type b = co_await start(cluster, "b");
    worker_type c = co_await start(cluster, "b");
    const std::string from_a = "hello from " + to_string(a.id());
    // Nobody receives from `a`.
    a.send(make_task("b", 7));
    for (worker_type* each : {&b, &c}) {
      const std::string said = co_await heard(*each);
      CHECK(said == from_a + " 7");
    }
    // Its own group is another matter: only the other one gets it.
    b.send(make_task("b", 8));
    const std::string own = co_await heard(c);
    CHECK(own == "hello from " + to_string(b.id()) + " 8");
    a.send(make_task("b", 9));
    const std::string accepted = co_await heard(b);
    CHECK(accepted == "accepted 0");
    const std::string next = co_await heard(b);
    CHECK(next == from_a + " 9");
    co_await cluster.disconnect();
  });
}

TEST_CASE("a message to all reaches every other worker, of whatever group or of none")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type a = co_await start(cluster, "a");
    worker_type b = co_await start(cluster, "b");
    worker_type none = co_await cluster.co_fork(job_role("talks to others"));
    co_await none.online();
    none.send(make_task("all", 1));
    for (worker_type* each : {&a, &b}) {
      const std::string said = co_await heard(*each);
      CHECK(said == "hello from " + to_string(none.id()) + " 1");
    }
    const std::string status = co_await heard(none);
    CHECK(status == "accepted 0");
    co_await cluster.disconnect();
  });
}

TEST_CASE("a message to one worker reaches that one; who is not there is told, once")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type a = co_await start(cluster, "a");
    worker_type b = co_await start(cluster, "b");
    auto errors = cluster.subscribe<cohort::error_event>();
    a.send(make_task("worker", b.id()));
    const std::string said = co_await heard(b);
    CHECK(said == "hello from " + to_string(a.id()) + ' ' + to_string(b.id()));
    const std::string queued = co_await heard(a);
    CHECK(queued == "accepted 0");
    // To itself it is none.
    a.send(make_task("worker", a.id()));
    const std::string own = co_await heard(a);
    CHECK(own == "not_connected 0");
    for (int round = 0; round != 2; ++round) {
      a.send(make_task("worker", 1000));
      a.send(make_task("nobody", 1));
      const cohort::error_event lost = co_await errors.next();
      CHECK(lost.worker == a.id());
      CHECK(lost.what == "a message to worker 1000");
      CHECK(lost.code == cohort::error::worker_gone);
      // The next loss is told when one has arrived meanwhile.
      a.send(make_task("b", 3));
      const std::string again = co_await heard(b);
      CHECK(again == "hello from " + to_string(a.id()) + " 3");
    }
    a.send(make_task("no\tbody", 1));
    const cohort::error_event other = co_await errors.next();
    CHECK(other.what == "a message to group no?body");
    co_await cluster.disconnect();
  });
}

TEST_CASE("who is slower than those who send to it loses some, others nothing, and nothing grows")
{
  cohort::settings narrow;
  narrow.messages(cohort::channel_options().high_water(mark));
  with_cluster(
      [](cluster_type& cluster) -> awaitable<void> {
        worker_type a = co_await start(cluster, "a");
        worker_type slow = co_await start(cluster, "b");
        worker_type quick = co_await start(cluster, "b");
        auto errors = cluster.subscribe<cohort::error_event>();
        REQUIRE(cohort_test::stop_worker(slow));
        // Never more at a time than the quick one has room for.
        constexpr std::uint64_t batch = 10;
        for (std::uint64_t i = 0; i != count; ++i) {
          if (i % batch == 0) a.send(make_task("flood b", batch));
          auto next = co_await quick.receive<result>();
          REQUIRE(next.message.number == i);
          REQUIRE(slow.queued_bytes() <= mark + 11'000);
        }
        CHECK(slow.queued_bytes() > mark);
        const cohort::error_event lost = co_await errors.next();
        CHECK(lost.worker == slow.id());
        CHECK(lost.what == "a message from worker " + to_string(a.id()));
        CHECK(lost.code == cohort::error::queue_full);
        slow.kill(SIGCONT);
        // What had room comes in order, and then what is sent when it has room again.
        std::uint64_t came = 0;
        co_await slow.flushed();
        a.send(make_task("b", count));
        for (std::uint64_t number = 0; number != count; ++came) {
          auto next = co_await slow.receive<result>();
          number = next.message.number;
          REQUIRE((number == came || number == count));
        }
        CHECK(came > mark / 11'000);
        CHECK(came < count);
        co_await cluster.disconnect();
      },
      narrow);
}

TEST_CASE("what a worker says to others before it dies still arrives")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type a = co_await start(cluster, "a");
    worker_type b = co_await start(cluster, "b");
    a.send(make_task("last words"));
    const std::string said = co_await heard(b);
    CHECK(said == "last words from " + to_string(a.id()) + " 0");
    co_await a.exited();
    co_await cluster.disconnect();
  });
}

TEST_CASE("a message to others that is none ends the worker that has sent it, and nobody else")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type b = co_await start(cluster, "b");
    auto errors = cluster.subscribe<cohort::error_event>();
    const std::array<std::string, 5> all{
        "both", "long name", "name beyond the end", "from the primary", "descriptors"};
    for (const std::string& each : all) {
      CAPTURE(each);
      cohort::environment wrong = job_role("wrong messages to others");
      wrong.set("COHORT_TEST_WRONG", each);
      worker_type rude = co_await cluster.co_fork(wrong);
      // Reading begins.
      std::error_code end;
      co_await rude.receive<result>(redirect_error(use_awaitable, end));
      CHECK(end == cohort::error::disconnected);
      const cohort::error_event told = co_await errors.next();
      CHECK(told.worker == rude.id());
      CHECK(told.code == cohort::error::protocol_violation);
      const cohort::exit_status status = co_await rude.exited();
      CHECK(status.signal() == SIGKILL);
    }
    b.send(make_task("all"));
    const std::string well = co_await heard(b);
    CHECK(well == "accepted 0");
    co_await cluster.disconnect();
  });
}

} // namespace peer_messages_test
