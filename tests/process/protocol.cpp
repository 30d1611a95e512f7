// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that break the protocol or desert: the primary ends them and goes on.

#include "support/conversation.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>

namespace protocol_test {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

cohort::environment violator(const std::string& how)
{
  return role("violator").set("COHORT_TEST_VIOLATION", how);
}

} // namespace

TEST_CASE("a worker that breaks the protocol is reported and killed")
{
  for (const std::string how : {"unknown type", "type of the primary", "oversized", "descriptors",
           "short payload", "garbage", "second hello", "ack of nothing", "ack of too much",
           "ack twice", "ack elsewhere", "released nothing", "bye at once"}) {
    CAPTURE(how);
    cluster_fixture primary;
    primary.run([&]() -> awaitable<void> {
      auto errors = primary.cluster().subscribe<cohort::error_event>();
      cohort::worker rude = co_await primary.start(violator(how));
      const address where = co_await primary.address_of(rude);
      std::vector<client> clients = connect_many(where, 4);
      const cohort::error_event event = co_await errors.next();
      CHECK(event.worker == rude.id());
      CHECK(event.pid == rude.pid());
      CHECK(event.what == "protocol");
      CHECK(event.code.category() == cohort::error_category());
      CHECK_FALSE(rude.is_connected());
      const cohort::exit_status status = co_await rude.exited();
      CHECK(status.signal() == SIGKILL);
      CHECK_FALSE(rude.exited_after_disconnect());
    });
  }
}

TEST_CASE("what a rude worker had on offer goes to another one")
{
  for (const std::string how : {"garbage", "ack of nothing", "leaving twice"}) {
    CAPTURE(how);
    cluster_fixture primary;
    std::vector<answer> answers;
    primary.run([&]() -> awaitable<void> {
      cohort::worker rude = co_await primary.start(violator(how).set("COHORT_TEST_WAIT", "1"));
      const address where = co_await primary.address_of(rude);
      std::vector<client> clients = connect_many(where, 4);
      const auto offered = [&] { return primary.cluster().counters().offered == 4; };
      const bool out = co_await primary.eventually(offered);
      CHECK(out);
      cohort::worker better = co_await primary.start();
      rude.kill(SIGUSR1);
      answers = co_await answers_to(primary, clients);
      const cohort::exit_status status = co_await rude.exited();
      CHECK(status.signal() == SIGKILL);
      for (const answer& each : answers) CHECK(each.worker == better.id());
      co_await primary.end();
    });
    CHECK(summary(answers) == "4 ok");
  }
}

TEST_CASE("a worker that asks without end and reads no answer is reported and killed")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto errors = primary.cluster().subscribe<cohort::error_event>();
    cohort::worker rude = co_await primary.start(violator("deaf"));
    const address where = co_await primary.address_of(rude);
    std::vector<client> clients = connect_many(where, 4);
    const cohort::error_event event = co_await errors.next();
    CHECK(event.worker == rude.id());
    CHECK(event.what == "protocol");
    CHECK(event.code == std::errc::no_buffer_space);
    const cohort::exit_status status = co_await rude.exited();
    CHECK(status.signal() == SIGKILL);
  });
}

TEST_CASE("a worker of another protocol version is told apart")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto errors = primary.cluster().subscribe<cohort::error_event>();
    cohort::worker rude = co_await primary.cluster().co_fork(violator("another version"));
    const cohort::error_event event = co_await errors.next();
    CHECK(event.code == cohort::error::version_mismatch);
    const cohort::exit_status status = co_await rude.exited();
    CHECK(status.signal() == SIGKILL);
  });
}

TEST_CASE("a frame before hello is a violation")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto errors = primary.cluster().subscribe<cohort::error_event>();
    cohort::worker rude = co_await primary.cluster().co_fork(violator("no hello"));
    const cohort::error_event event = co_await errors.next();
    CHECK(event.code == cohort::error::protocol_violation);
    const cohort::exit_status status = co_await rude.exited();
    CHECK(status.signal() == SIGKILL);
    CHECK_FALSE(rude.exited_after_disconnect());
  });
}

TEST_CASE("a worker that closes its channel and lives is killed before its clients go elsewhere")
{
  cluster_fixture primary(cohort::settings().fence_grace(300ms));
  std::vector<answer> answers;
  primary.run([&]() -> awaitable<void> {
    auto events = primary.cluster().subscribe<cohort::disconnect_event, cohort::exit_event>();
    // It asks for nothing yet, but keeps the listener.
    cohort::worker other =
        co_await primary.start(primary.controlled(server("127.0.0.1:0 accept=0")));
    cohort::worker deserter = co_await primary.start(role("deserter"));
    const address where = co_await primary.address_of(deserter);
    std::vector<client> clients = connect_many(where, 4);
    const auto offered = [&] { return primary.cluster().counters().offered == 4; };
    const bool out = co_await primary.eventually(offered);
    CHECK(out);
    const auto first = co_await events.next();
    CHECK(first.index() == 0);
    CHECK(primary.cluster().counters().redispatched == 0);
    CHECK_FALSE(deserter.is_connected());
    CHECK_FALSE(deserter.is_dead());
    const cohort::exit_status status = co_await deserter.exited();
    CHECK(status.signal() == SIGKILL);
    CHECK(primary.cluster().counters().redispatched == 4);
    co_await primary.command(other, "accept 0 100");
    answers = co_await answers_to(primary, clients);
    for (const answer& each : answers) CHECK(each.worker == other.id());
    co_await primary.end();
  });
  CHECK(summary(answers) == "4 ok");
}

} // namespace protocol_test
