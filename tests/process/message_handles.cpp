// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Handles between processes: many at once, and what becomes of them when a side dies. The other
// side is in message_handle_roles.cpp.

#include "support/job_protocol.hpp"
#include "support/pipe_handles.hpp"
#include "support/role_program.hpp"
#include "support/scratch.hpp"
#include "support/time_factor.hpp"

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <doctest/doctest.h>

#include <csignal>
#include <cstddef>
#include <poll.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace message_handles_test {

namespace {

using namespace cohort_test::jobs;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using cohort_test::count_descriptors;

// This process and those that it starts may have so many descriptors.
class own_limit {
public:
  explicit own_limit(rlim_t limit)
  {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit narrow = before_;
    narrow.rlim_cur = limit;
    ::setrlimit(RLIMIT_NOFILE, &narrow);
  }
  ~own_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  own_limit(const own_limit&) = delete;
  own_limit& operator=(const own_limit&) = delete;

private:
  rlimit before_{};
};

// Whether nobody anywhere has the writing end, within bounded time; nobody ever writes.
bool is_abandoned(const cohort::handle& reading_end)
{
  pollfd waiting{reading_end.native_handle(), POLLIN, 0};
  ::poll(&waiting, 1, 10'000 * static_cast<int>(cohort_test::time_factor()));
  return waiting.revents == POLLHUP;
}

bool is_held(const cohort::handle& reading_end)
{
  pollfd waiting{reading_end.native_handle(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 0;
}

// Messages with the writing end of a pipe of their own, twice; gives the reading ends.
std::vector<cohort::handle> send_pipes(worker_type& worker, std::size_t count)
{
  std::vector<cohort::handle> reading_ends;
  for (std::size_t i = 0; i != count; ++i) {
    auto pipe = cohort_test::make_pipe();
    std::vector<cohort::handle> sent;
    sent.push_back(pipe[1].duplicate());
    sent.push_back(std::move(pipe[1]));
    CHECK(is_sent(worker.send(make_task("pipe", i), std::move(sent))));
    reading_ends.push_back(std::move(pipe[0]));
  }
  return reading_ends;
}

void check_abandoned(const std::vector<cohort::handle>& reading_ends)
{
  for (std::size_t i = 0; i != reading_ends.size(); ++i) {
    CAPTURE(i);
    REQUIRE(is_abandoned(reading_ends[i]));
  }
}

} // namespace

TEST_CASE("a primary and a worker send each other more handles at once than can be in flight")
{
  // The kernel lets a user have as many in flight as he may have descriptors (unless he may do
  // anything); the sockets hold several hundred messages.
  const own_limit limit(256);
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    constexpr std::uint64_t count = 3000;
    worker_type worker = co_await cluster.co_fork(job_role("handles"));
    co_await worker.online();
    const std::size_t here = count_descriptors();
    const std::size_t there = count_descriptors(worker.pid());
    worker.send(make_task("trade", count));
    const std::uint64_t right = co_await trade_files<task, result>(worker, count);
    CHECK(right == count);
    auto report = co_await worker.receive<result>();
    CHECK(report.message.what == "traded");
    CHECK(report.message.number == count);
    CHECK(count_descriptors() == here);
    CHECK(count_descriptors(worker.pid()) == there);
    co_await worker.disconnect();
  });
}

TEST_CASE("a worker dies after it has got some handles: all are closed, those on their way too")
{
  constexpr std::size_t sent = 60;
  for (const std::string end : {"killed", "exit"}) {
    for (const std::uint64_t got : {0u, 1u, 2u, 7u, 40u}) {
      CAPTURE(end);
      CAPTURE(got);
      with_cluster([&](cluster_type& cluster) -> awaitable<void> {
        worker_type worker = co_await cluster.co_fork(job_role("handles"));
        const std::string order = end == "exit" ? "keep and exit" : "keep and be killed";
        worker.send(make_task(order, got));
        const std::vector<cohort::handle> reading_ends = send_pipes(worker, sent);
        const cohort::exit_status status = co_await worker.exited();
        if (end == "exit") CHECK(status.code() == 3);
        else CHECK(status.signal() == SIGKILL);
        // It did get them before.
        for (std::uint64_t i = 0; i != got; ++i) {
          auto answer = co_await worker.receive<result>();
          CHECK(answer.message.number == i + 1);
        }
        std::error_code after;
        co_await worker.receive(redirect_error(use_awaitable, after));
        CHECK(after == cohort::error::disconnected);
        check_abandoned(reading_ends);
      });
    }
  }
}

TEST_CASE("a worker is killed while handles for it wait here: none stays open")
{
  for (const std::size_t count : {1u, 10u, 200u}) {
    CAPTURE(count);
    with_cluster([count](cluster_type& cluster) -> awaitable<void> {
      worker_type worker = co_await cluster.co_fork(job_role("handles"));
      co_await worker.online();
      // Nothing leaves before the next turn of the event loop.
      const std::vector<cohort::handle> reading_ends = send_pipes(worker, count);
      CHECK(worker.queued_bytes() > 0);
      for (const auto& each : reading_ends) CHECK(is_held(each));
      std::error_code flushed;
      worker.kill(SIGKILL);
      co_await worker.flushed(redirect_error(use_awaitable, flushed));
      co_await worker.exited();
      CHECK(worker.queued_bytes() == 0);
      check_abandoned(reading_ends);
    });
  }
}

TEST_CASE("a worker is killed while handles for it find no room in its socket")
{
  with_cluster([](cluster_type& cluster) -> awaitable<void> {
    worker_type worker = co_await cluster.co_fork(job_role("handles"));
    co_await worker.online();
    worker.kill(SIGSTOP);
    std::vector<cohort::handle> reading_ends;
    auto status = cohort::send_status::accepted;
    while (status == cohort::send_status::accepted) {
      auto pipe = cohort_test::make_pipe();
      blob large;
      large.bytes.resize(50'000);
      status = worker.send(std::move(large), std::move(pipe[1]));
      reading_ends.push_back(std::move(pipe[0]));
    }
    CHECK(status == cohort::send_status::congested);
    for (int turn = 0; turn != 3; ++turn)
      co_await asio::post(cluster.get_executor(), use_awaitable);
    CHECK(worker.queued_bytes() > 500'000);
    for (const auto& each : reading_ends) CHECK(is_held(each));
    worker.kill(SIGKILL);
    std::error_code flushed;
    co_await worker.flushed(redirect_error(use_awaitable, flushed));
    CHECK(flushed == cohort::error::disconnected);
    co_await worker.exited();
    check_abandoned(reading_ends);
  });
}

TEST_CASE("handles with tiny messages to a worker that does not read are bounded, here too")
{
  constexpr std::size_t weight = cohort::channel_options::handle_weight;
  cohort::channel_options bounds;
  bounds.high_water(50 * weight).queue_limit(150 * weight);
  with_cluster(
      [](cluster_type& cluster) -> awaitable<void> {
        worker_type worker = co_await cluster.co_fork(job_role("handles"));
        co_await worker.online();
        worker.kill(SIGSTOP);
        const std::size_t before = count_descriptors();
        const auto pipe = cohort_test::make_pipe();
        worker.send(make_task("count"));
        bool congested = false;
        std::uint64_t sent = 0;
        auto status = cohort::send_status::accepted;
        for (std::uint64_t i = 0; i != 2'000; ++i) {
          cohort::handle copy = pipe[0].duplicate();
          status = worker.send(make_task("pipe", i), std::move(copy));
          congested = congested || status == cohort::send_status::congested;
          sent += is_sent(status) ? 1 : 0;
          // What the socket takes is nowhere in this process.
          if (i % 100 == 99) co_await asio::post(cluster.get_executor(), use_awaitable);
          REQUIRE(count_descriptors() <= before + 2 + 151);
        }
        CHECK(congested);
        CHECK(status == cohort::send_status::queue_full);
        CHECK(worker.queued_bytes() > 149 * weight);
        worker.kill(SIGCONT);
        co_await worker.flushed();
        CHECK(worker.queued_bytes() == 0);
        CHECK(worker.send(make_task("last")) == cohort::send_status::accepted);
        auto counted = co_await worker.receive<result>();
        CHECK(counted.message.number == sent);
        CHECK(count_descriptors() == before + 2);
        co_await worker.disconnect();
      },
      cohort::settings().messages(bounds));
}

TEST_CASE("handles of a worker that has died are received, and closed with who received them")
{
  for (const std::uint64_t sent : {0u, 1u, 10u, 100u}) {
    CAPTURE(sent);
    auto pipe = cohort_test::make_pipe();
    with_cluster([&](cluster_type& cluster) -> awaitable<void> {
      worker_type worker = co_await cluster.co_fork(job_role("handles"));
      worker.send(make_task("send and be killed", sent), std::move(pipe[1]));
      const cohort::exit_status status = co_await worker.exited();
      CHECK(status.signal() == SIGKILL);
      std::vector<cohort::handle> kept;
      for (std::uint64_t i = 0; i != sent; ++i) {
        auto next = co_await worker.receive<result>();
        CHECK(next.message.number == i);
        REQUIRE(next.handles.size() == 2);
        CHECK_FALSE(next.handles_lost);
        if (i == 0) kept.push_back(std::move(next.handles.back()));
      }
      std::error_code after;
      co_await worker.receive(redirect_error(use_awaitable, after));
      CHECK(after == cohort::error::disconnected);
      if (sent != 0) CHECK(is_held(pipe[0]));
      kept.clear();
      CHECK(is_abandoned(pipe[0]));
    });
  }
}

TEST_CASE("handles of a dead worker that nobody receives are closed with its cluster")
{
  auto pipe = cohort_test::make_pipe();
  with_cluster([&](cluster_type& cluster) -> awaitable<void> {
    worker_type worker = co_await cluster.co_fork(job_role("handles"));
    worker.send(make_task("send and be killed", 100), std::move(pipe[1]));
    co_await worker.exited();
    CHECK(is_held(pipe[0]));
  });
  CHECK(is_abandoned(pipe[0]));
}

TEST_CASE("a primary dies while its worker sends it handles: nobody holds one of them any more")
{
  // How many it has got and kept; with 0 it does not read.
  for (const std::string kept : {"0", "1", "30", "400"}) {
    for (const std::string lost : {"exit", "drain"}) {
      CAPTURE(kept);
      CAPTURE(lost);
      const cohort_test::scratch_directory scratch;
      const std::string path = scratch.file("fifo");
      REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
      const auto reading_end =
          cohort::handle::adopt(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
      cohort_test::role_program primary(
          "primary of handles", "COHORT_TEST_RUN=" + path + ' ' + kept + ' ' + lost);
      if (kept == "0") {
        CHECK(primary.line() == "sent");
        CHECK(is_held(reading_end));
        primary.signal(SIGKILL);
      }
      // The worker tells what it still holds when its channel has ended.
      if (lost == "drain") CHECK(primary.line() == "held 0");
      // Until both processes are gone.
      CHECK(primary.line().empty());
      CHECK(is_abandoned(reading_end));
      CHECK(primary.wait() == 128 + SIGKILL);
    }
  }
}

} // namespace message_handles_test
