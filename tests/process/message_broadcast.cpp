// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include "support/job_protocol.hpp"
#include "support/stopped_worker.hpp"

#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <system_error>

namespace message_broadcast_test {

namespace {

using namespace cohort_test::jobs;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using cohort_test::stop_worker;

// Sends until not even an empty message is taken; gives how many were.
awaitable<std::uint64_t> fill(worker_type worker)
{
  std::uint64_t sent = 0;
  for (int turn = 0; turn != 3; ++turn) {
    for (const std::size_t size : {10'000u, 100u, 0u})
      while (is_sent(worker.send(make_task(std::string(size, 'x'), sent)))) ++sent;
    co_await asio::post(worker.get_executor(), use_awaitable);
  }
  CHECK(worker.send(make_task("")) == cohort::send_status::queue_full);
  co_return sent;
}

} // namespace

TEST_CASE("broadcast reaches who is there and has room, and counts just those")
{
  cohort::settings narrow;
  narrow.messages(cohort::channel_options().high_water(100'000).queue_limit(200'000));
  with_cluster(
      [](cluster_type& cluster) -> awaitable<void> {
        std::array<worker_type, 5> workers;
        for (worker_type& each : workers) {
          each = co_await cluster.co_fork(job_role("messages"));
          co_await each.online();
        }
        auto& [one, dead, leaving, full, two] = workers;
        dead.kill(SIGKILL);
        co_await dead.exited();
        REQUIRE(stop_worker(leaving));
        leaving.disconnect(std::chrono::seconds(50), asio::detached);
        REQUIRE(stop_worker(full));
        const std::uint64_t filled = co_await fill(full);
        CHECK(filled > 10);

        // The stopped ones are still there.
        CHECK(cluster.workers().size() == 4);
        CHECK(cluster.broadcast(make_task("all", 1)) == 2);
        auto first = co_await one.receive<result>();
        CHECK(first.message.number == 2);
        auto second = co_await two.receive<result>();
        CHECK(second.message.number == 2);

        // Who had no room has missed it; who leaves gets nothing after that.
        full.kill(SIGCONT);
        for (std::uint64_t i = 0; i != filled; ++i) {
          auto each = co_await full.receive<result>();
          REQUIRE(each.message.number == i + 1);
          REQUIRE(each.message.what != "all");
        }
        CHECK(cluster.broadcast(make_task("all", 2)) == 3);
        auto third = co_await full.receive<result>();
        CHECK(third.message.what == "all");
        CHECK(third.message.number == 3);
        leaving.kill(SIGCONT);
        const cohort::exit_status status = co_await leaving.exited();
        CHECK(status.success());
        for (worker_type* gone : std::array{&dead, &leaving}) {
          std::error_code end;
          co_await gone->receive(redirect_error(use_awaitable, end));
          CHECK(end == cohort::error::disconnected);
        }
        // Nobody got it twice.
        co_await cluster.disconnect();
        for (worker_type& live : workers) {
          for (std::error_code end; !end;) {
            auto next = co_await live.receive(redirect_error(use_awaitable, end));
            if (!end) CHECK(std::get<result>(next.message).number == 3);
          }
        }
      },
      narrow);
}

TEST_CASE("a broadcast that nobody can be sent is one of nobody, and the workers stay")
{
  cohort::settings small;
  small.messages(cohort::channel_options().max_message_size(1000));
  with_cluster(
      [](cluster_type& cluster) -> awaitable<void> {
        CHECK(cluster.broadcast(make_task("all")) == 0);
        worker_type worker = co_await cluster.co_fork(job_role("messages"));
        CHECK(cluster.broadcast(make_task(std::string(2000, 'x'))) == 0);
        // A worker is one from the beginning.
        CHECK(cluster.broadcast(make_task("all", 5)) == 1);
        auto answer = co_await worker.receive<result>();
        CHECK(answer.message.number == 6);
        co_await worker.disconnect();
        CHECK(cluster.broadcast(make_task("all")) == 0);
      },
      small);
}

} // namespace message_broadcast_test
