// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/cluster.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <doctest/doctest.h>

#include "support/job_protocol.hpp"

#include <chrono>
#include <csignal>
#include <limits>
#include <map>
#include <string>
#include <sys/mman.h>
#include <utility>
#include <vector>

namespace messages_test {

namespace {

using namespace cohort_test::jobs;
using namespace std::chrono_literals;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;

cohort::environment role(const char* name) { return job_role(name); }

} // namespace

TEST_CASE("messages go to a worker and back, in order and each once")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type worker = co_await cluster.co_fork(role("messages"));
    // Also what is sent before anybody there can receive.
    for (std::uint64_t i = 0; i != 5000; ++i)
      CHECK(worker.send(make_task("echo", i)) == cohort::send_status::accepted);
    for (std::uint64_t i = 0; i != 5000; ++i) {
      auto next = co_await worker.receive<result>();
      REQUIRE(next.message.number == i + 1);
      CHECK(next.worker == worker.id());
    }
    co_await worker.disconnect();
  });
}

TEST_CASE("the cluster receives from all its workers, and tells from whom")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    for (int i = 0; i != 3; ++i) co_await cluster.co_fork(role("messages"));
    const std::size_t told = cluster.broadcast(make_task("hello"));
    CHECK(told == 3);
    std::map<cohort::worker_id, int> heard;
    for (int i = 0; i != 3; ++i) {
      auto next = co_await cluster.receive();
      ++heard[next.worker];
    }
    CHECK(heard.size() == 3);
    co_await cluster.disconnect();
  });
}

TEST_CASE("what was sent before a worker is disconnected arrives on both sides")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type worker = co_await cluster.co_fork(role("messages"));
    co_await worker.online();
    for (std::uint64_t i = 0; i != 300; ++i) worker.send(make_task("echo", i));
    const cohort::exit_status status = co_await worker.disconnect(20s);
    CHECK(status.success());
    CHECK(worker.send(make_task("late")) == cohort::send_status::not_connected);
    for (std::uint64_t i = 0; i != 300; ++i) {
      auto next = co_await worker.receive<result>();
      REQUIRE(next.message.number == i + 1);
    }
    std::error_code end;
    co_await worker.receive(redirect_error(use_awaitable, end));
    CHECK(end == cohort::error::disconnected);
  });
}

TEST_CASE("what a worker sends before it leaves by itself arrives")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type worker = co_await cluster.co_fork(role("messages"));
    worker.send(make_task("leave", 1000));
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
    CHECK(worker.exited_after_disconnect());
    for (std::uint64_t i = 0; i != 1000; ++i) {
      auto next = co_await worker.receive<result>();
      REQUIRE(next.message.number == i + 1);
    }
  });
}

TEST_CASE("what the kernel has of a dead worker is still received, by the cluster too")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type worker = co_await cluster.co_fork(role("messages"));
    worker.send(make_task("die", 100));
    auto first = co_await cluster.receive();
    CHECK(first.worker == worker.id());
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.signal() == SIGKILL);
    CHECK(worker.send(make_task("late")) == cohort::send_status::not_connected);
    for (int i = 1; i != 100; ++i) {
      auto next = co_await cluster.receive();
      REQUIRE(next.worker == worker.id());
    }
    std::error_code end;
    co_await worker.receive(redirect_error(use_awaitable, end));
    CHECK(end == cohort::error::disconnected);
  });
}

TEST_CASE("nobody receives: the worker is congested, events go on, and its end loses nothing")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    auto events = cluster.subscribe<cohort::disconnect_event>();
    worker_type flooded = co_await cluster.co_fork(role("messages"));
    worker_type other = co_await cluster.co_fork(role("messages"));
    flooded.send(make_task("flood"));
    // Meanwhile others are served.
    other.send(make_task("echo", 7));
    auto answer = co_await other.receive<result>();
    CHECK(answer.message.number == 8);
    const cohort::exit_status status = co_await flooded.disconnect(20s);
    CHECK(status.success());
    co_await events.next();
    std::size_t blobs = 0;
    for (;;) {
      auto next = co_await flooded.receive();
      if (next.message.index() == 0) break;
      ++blobs;
    }
    CHECK(blobs > 10);
    co_await cluster.disconnect();
  });
}

TEST_CASE("a worker that is stopped delays no other, and has everything once it goes on")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type slow = co_await cluster.co_fork(role("messages"));
    worker_type other = co_await cluster.co_fork(role("messages"));
    slow.kill(SIGSTOP);
    std::uint64_t sent = 0;
    while (slow.send(make_task("echo", sent)) == cohort::send_status::accepted) ++sent;
    ++sent; // what congests is sent as well
    CHECK(sent > 1000);
    for (std::uint64_t i = 0; i != 100; ++i) {
      other.send(make_task("echo", i));
      auto answer = co_await other.receive<result>();
      CHECK(answer.message.number == i + 1);
    }
    slow.kill(SIGCONT);
    for (std::uint64_t i = 0; i != sent; ++i) {
      auto answer = co_await slow.receive<result>();
      REQUIRE(answer.message.number == i + 1);
    }
    co_await cluster.disconnect();
  });
}

TEST_CASE("memory is passed back and forth without a copy")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    constexpr std::size_t size = 64 * 1024 * 1024;
    worker_type worker = co_await cluster.co_fork(role("messages"));
    const int memory = ::memfd_create("test", MFD_CLOEXEC);
    REQUIRE(::ftruncate(memory, size) == 0);
    CHECK(worker.send(make_task("map", size), cohort::handle::adopt(memory)) ==
          cohort::send_status::accepted);
    auto next = co_await worker.receive<result>();
    REQUIRE(next.handles.size() == 1);
    CHECK(next.handles.front().kind() == cohort::handle_kind::memfd);
    char last = 0;
    CHECK(::pread(next.handles.front().native_handle(), &last, 1, size - 1) == 1);
    CHECK(last == 'w');
    co_await worker.disconnect();
  });
}

TEST_CASE("a worker killed with descriptors on their way leaves none behind")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    for (int round = 0; round != 10; ++round) {
      worker_type worker = co_await cluster.co_fork(role("messages"));
      for (int i = 0; i != 50; ++i) {
        const int memory = ::memfd_create("test", MFD_CLOEXEC);
        worker.send(make_task("echo"), cohort::handle::adopt(memory));
      }
      worker.kill(SIGKILL);
      co_await worker.exited();
    }
  });
}

TEST_CASE("requests are answered, many at a time, or end with the reason")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    using namespace asio::experimental::awaitable_operators;
    worker_type worker = co_await cluster.co_fork(role("message server"));
    task asked = make_task("count", 1);
    result answer = co_await worker.request<result>(asked, 20s);
    CHECK(answer.number == 2);

    std::error_code error;
    asked.what = "throw";
    co_await worker.request<result>(asked, 20s, redirect_error(use_awaitable, error));
    CHECK(error == cohort::error::request_failed);
    asked.what = "never";
    co_await worker.request<result>(asked, 10ms, redirect_error(use_awaitable, error));
    CHECK(error == cohort::error::timed_out);

    // One is under way when the worker dies.
    std::error_code waiting, dying;
    task deadly = make_task("die");
    auto both = worker.request<result>(asked, redirect_error(use_awaitable, waiting)) &&
                worker.request<result>(deadly, redirect_error(use_awaitable, dying));
    co_await std::move(both);
    CHECK(waiting == cohort::error::disconnected);
    CHECK(dying == cohort::error::disconnected);
    co_await worker.exited();
  });
}

TEST_CASE("a primary serves its workers, and a reply that is too large is nobody's end")
{
  cohort::settings small;
  small.messages(cohort::channel_options().max_message_size(10'000));
  with_cluster(
      [](cluster_type& cluster) -> awaitable<void> {
        auto errors = cluster.subscribe<cohort::error_event>();
        worker_type worker = co_await cluster.co_fork(role("asks its primary"));
        // What it captures is let go when the worker ends.
        worker.serve<result>([worker](result asked) -> awaitable<task> {
          co_return make_task(std::string(asked.number, 'x'), worker.id());
        });
        auto report = co_await worker.receive<result>();
        CHECK(report.message.what == "the request was not served, then x");
        auto event = co_await errors.next();
        CHECK(event.code == cohort::error::message_too_large);
        CHECK(worker.is_connected());
        const cohort::exit_status status = co_await worker.disconnect();
        CHECK(status.success());
      },
      small);
}

TEST_CASE("what a worker left before its end is received by the cluster later")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    auto exits = cluster.subscribe<cohort::exit_event>();
    {
      worker_type worker = co_await cluster.co_fork(role("messages"));
      worker.send(make_task("leave", 3));
    }
    co_await exits.next();
    for (std::uint64_t i = 1; i != 4; ++i) {
      auto next = co_await cluster.receive();
      CHECK(std::get<result>(next.message).number == i);
    }
  });
}

TEST_CASE("a worker of another version is told apart, and what is unknown of it is skipped")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    auto online = cluster.subscribe<cohort::online_event>();
    auto errors = cluster.subscribe<cohort::error_event>();
    worker_type same = co_await cluster.co_fork(role("messages"));
    auto first = co_await online.next();
    CHECK(first.schemas_agree);
    worker_type other = co_await cluster.co_fork(role("messages of tomorrow"));
    auto second = co_await online.next();
    CHECK_FALSE(second.schemas_agree);
    auto known = co_await other.receive<result>();
    CHECK(known.message.what == "known");
    auto skipped = co_await errors.next();
    CHECK(skipped.code == cohort::error::unknown_message);
    CHECK(skipped.worker == other.id());
    co_await cluster.disconnect();
  });
}

TEST_CASE("a worker that writes no frames into its message channel is reported and killed")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    auto errors = cluster.subscribe<cohort::error_event>();
    worker_type worker = co_await cluster.co_fork(role("rude messages"));
    std::error_code end;
    co_await worker.receive(redirect_error(use_awaitable, end));
    CHECK(end == cohort::error::disconnected);
    auto reported = co_await errors.next();
    CHECK(reported.code == cohort::error::message_too_large);
    CHECK(reported.worker == worker.id());
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.signal() == SIGKILL);
  });
}

TEST_CASE("without a protocol JSON values go both ways")
{
  with_cluster<cohort::cluster<>>([](cohort::cluster<>& cluster) -> awaitable<void> {
    cohort::worker worker = co_await cluster.co_fork(role("json echo"));
    boost::json::object sent;
    sent["text"] = "hello";
    sent["large"] = std::numeric_limits<std::uint64_t>::max();
    sent["exact"] = 0.1;
    worker.send(sent);
    auto next = co_await worker.receive();
    CHECK(next.message == boost::json::value(sent));
    co_await worker.disconnect();
  });
}

} // namespace messages_test
