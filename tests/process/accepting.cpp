// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A worker that changes its mind about accepting: no connection is lost by it. The role "fickle"
// cancels its accepts as COHORT_TEST_CANCEL says, once for every connection it gets.

#include <cohort/acceptor.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include "support/conversation.hpp"
#include "support/worker_roles.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/detached.hpp>

namespace accepting_test {

using namespace cohort_test;
using asio::ip::tcp;

namespace {

using connection = cohort::connection<tcp>;

awaitable<void> answer_once(cohort::worker_id id, connection client)
{
  std::string line;
  auto buffer = asio::dynamic_buffer(line);
  co_await asio::async_read_until(client, buffer, '\n', asio::use_awaitable);
  std::string reply = line.substr(0, line.find(' ')) + ' ' + std::to_string(id) + ' ' +
                      std::to_string(::getpid()) + '\n';
  co_await asio::async_write(client, asio::buffer(reply), asio::use_awaitable);
}

awaitable<void> accept_with_doubts(cohort::this_worker& self)
{
  const std::string how = std::getenv("COHORT_TEST_CANCEL");
  const auto type = how == "terminal"  ? asio::cancellation_type::terminal
                    : how == "partial" ? asio::cancellation_type::partial
                                       : asio::cancellation_type::total;
  auto acceptor = co_await self.listen(tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  for (unsigned round = 0;; ++round) {
    // Two waits; the first is given up at once, and its handler must not get a connection then.
    asio::cancellation_signal signal;
    bool given = false;
    acceptor.async_accept(
        asio::bind_cancellation_slot(signal.slot(), [&](std::error_code error, connection client) {
          given = !error;
          if (given)
            asio::co_spawn(
                self.get_executor(), answer_once(self.id(), std::move(client)), asio::detached);
        }));
    if (round % 2 == 0) co_await asio::post(self.get_executor(), asio::use_awaitable);
    if (how == "cancel") acceptor.cancel();
    else signal.emit(type);
    // Its handler has run by now, or is in front of this.
    co_await asio::post(self.get_executor(), asio::use_awaitable);
    co_await asio::post(self.get_executor(), asio::use_awaitable);
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), answer_once(self.id(), std::move(client)), asio::detached);
  }
}

COHORT_TEST_WORKER_ROLE(fickle)
{
  asio::io_context context(1);
  cohort::this_worker self(context);
  asio::co_spawn(context, accept_with_doubts(self), [](std::exception_ptr) {});
  context.run();
  return 0;
}

} // namespace

TEST_CASE("accepts that are cancelled lose no connection")
{
  for (const std::string how : {"terminal", "partial", "total", "cancel"}) {
    CAPTURE(how);
    cluster_fixture primary;
    primary.run([&]() -> awaitable<void> {
      cohort::worker worker = co_await primary.start(role("fickle").set("COHORT_TEST_CANCEL", how));
      const address where = co_await primary.address_of(worker);
      std::vector<client> clients = connect_many(where, 100);
      const std::vector<answer> answers = co_await answers_to(primary, clients);
      CHECK(summary(answers) == "100 ok");
      const auto& cluster = primary.cluster();
      const auto all_are_taken = [&] { return cluster.counters().taken == 100; };
      const bool taken = co_await primary.eventually(all_are_taken);
      CHECK(taken);
      CHECK(cluster.counters().closed == 0);
      co_await primary.end();
    });
  }
}

TEST_CASE("a cancelled acceptor gives back what it was offered, and takes part again when asked")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server()));
    const address where = co_await primary.address_of(worker);
    std::vector<client> first = connect_many(where, 1);
    co_await answers_to(primary, first);
    co_await primary.command(worker, "cancel 0");
    const std::string ended = co_await primary.command(worker, "ended 0");
    CHECK(ended == "Operation aborted.");
    std::vector<client> clients = connect_many(where, 5);
    // Whoever else listens gets them, and the credit has gone before they came.
    cohort::worker other = co_await primary.start(primary.controlled(server()));
    std::vector<answer> answers = co_await answers_to(primary, clients);
    CHECK(summary(answers) == "5 ok");
    for (const answer& each : answers) CHECK(each.worker == other.id());
    co_await primary.command(other, "cancel 0");
    std::vector<client> more = connect_many(where, 5);
    co_await primary.command(worker, "accept 0 100");
    answers = co_await answers_to(primary, more);
    CHECK(summary(answers) == "5 ok");
    for (const answer& each : answers) CHECK(each.worker == worker.id());
    co_await primary.end();
  });
}

TEST_CASE("what waits in a worker that stops asking goes to others when it says so")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker lazy =
        co_await primary.start(primary.controlled(server("127.0.0.1:0 accept=1")));
    const address where = co_await primary.address_of(lazy);
    client live(where);
    const answer first = co_await ask_on(primary, live);
    CHECK(first.worker == lazy.id());
    std::vector<client> clients = connect_many(where, 10);
    const auto offered = [&] { return primary.cluster().counters().offered == 11; };
    const bool out = co_await primary.eventually(offered);
    CHECK(out);
    cohort::worker other = co_await primary.start();
    co_await primary.command(lazy, "cancel 0");
    const std::vector<answer> answers = co_await answers_to(primary, clients);
    CHECK(summary(answers) == "10 ok");
    for (const answer& each : answers) CHECK(each.worker == other.id());
    CHECK(primary.cluster().counters().redispatched == 10);
    live.close();
    co_await primary.end();
  });
}

TEST_CASE(
    "what a closed or dropped acceptor had on offer goes to others, and its connections live on")
{
  const char* how = "close 0";
  SUBCASE("closed") {}
  SUBCASE("dropped") { how = "drop 0"; }
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker lazy =
        co_await primary.start(primary.controlled(server("127.0.0.1:0 accept=1")));
    const address where = co_await primary.address_of(lazy);
    client live(where);
    answer first;
    auto ask_once = [&] { first = live.ask("keep"); };
    co_await primary.in_thread(ask_once);
    CHECK(first.worker == lazy.id());
    std::vector<client> clients = connect_many(where, 10);
    const auto offered = [&] { return primary.cluster().counters().offered == 11; };
    const bool out = co_await primary.eventually(offered);
    CHECK(out);
    cohort::worker other = co_await primary.start();
    co_await primary.command(lazy, how);
    const std::vector<answer> answers = co_await answers_to(primary, clients);
    CHECK(summary(answers) == "10 ok");
    for (const answer& each : answers) CHECK(each.worker == other.id());
    co_await primary.in_thread(ask_once);
    CHECK(first.result == outcome::ok);
    CHECK(first.worker == lazy.id());
    live.close();
    co_await primary.end();
  });
}

} // namespace accepting_test
