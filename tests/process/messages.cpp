// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/cluster.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <boost/describe.hpp>
#include <doctest/doctest.h>

#include "support/time_factor.hpp"
#include "support/worker_roles.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace message_tests {

struct task {
  std::string what;
  std::uint64_t number = 0;
};
struct result {
  std::string what;
  std::uint64_t number = 0;
};
struct blob {
  std::vector<std::byte> bytes;
};
struct only_new {
  int value = 0;
};
BOOST_DESCRIBE_STRUCT(task, (), (what, number))
BOOST_DESCRIBE_STRUCT(result, (), (what, number))
BOOST_DESCRIBE_STRUCT(blob, (), (bytes))
BOOST_DESCRIBE_STRUCT(only_new, (), (value))

} // namespace message_tests

namespace {

using namespace message_tests;
using namespace std::chrono_literals;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;

using job_protocol = cohort::protocol<cohort::to_primary<result, blob>,
    cohort::to_worker<task, blob>, cohort::binary_codec>;
// What a later version of the program may have.
using later_protocol = cohort::protocol<cohort::to_primary<result, only_new>,
    cohort::to_worker<task, blob>, cohort::binary_codec>;
using cluster_type = cohort::cluster<cohort::round_robin, job_protocol>;
using worker_type = cluster_type::worker_type;
using self_type = cohort::basic_this_worker<job_protocol>;

result answer_to(const task& asked)
{
  result answer;
  answer.what = asked.what;
  answer.number = asked.number + 1;
  return answer;
}

// Does what it is told, one task after another.
awaitable<void> work(self_type& self)
{
  std::error_code end;
  for (;;) {
    auto next = co_await self.receive<task>(redirect_error(use_awaitable, end));
    if (end) co_return;
    const std::string what = next.message.what;
    if (what == "leave") {
      for (std::uint64_t i = 0; i != next.message.number; ++i) {
        task each;
        each.number = i;
        self.send(answer_to(each));
      }
      self.disconnect(asio::detached);
    } else if (what == "die") {
      for (std::uint64_t i = 0; i != next.message.number; ++i) self.send(answer_to(next.message));
      co_await self.flushed();
      std::raise(SIGKILL);
    } else if (what == "flood") {
      blob full;
      full.bytes.resize(64 * 1024);
      auto status = cohort::send_status::accepted;
      while (status == cohort::send_status::accepted) status = self.send(full);
      self.send(answer_to(next.message));
    } else if (what == "map") {
      const std::size_t size = next.message.number;
      void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED,
          next.handles.front().native_handle(), 0);
      static_cast<char*>(memory)[size - 1] = 'w';
      ::munmap(memory, size);
      self.send(answer_to(next.message), std::move(next.handles.front()));
    } else {
      self.send(answer_to(next.message));
    }
  }
}

awaitable<result> serve_one(task asked)
{
  if (asked.what == "throw") throw std::runtime_error("no");
  if (asked.what == "die") std::raise(SIGKILL);
  if (asked.what == "never") {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    co_await timer.async_wait(use_awaitable);
  }
  co_return answer_to(asked);
}

const cohort_test::worker_role worker_role("messages", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  asio::co_spawn(context, work(self), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role serving_role("message server", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  self.serve<task>(serve_one);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role later_role("messages of tomorrow", [](int, char**) {
  asio::io_context context(1);
  cohort::basic_this_worker<later_protocol> self(context);
  only_new unknown;
  result known;
  known.what = "known";
  self.send(unknown);
  self.send(known);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role json_role("json echo", [](int, char**) {
  asio::io_context context(1);
  cohort::this_worker self(context);
  const auto echo = [](cohort::this_worker& from) -> awaitable<void> {
    std::error_code end;
    for (;;) {
      auto next = co_await from.receive(redirect_error(use_awaitable, end));
      if (end) co_return;
      from.send(next.message);
    }
  };
  asio::co_spawn(context, echo(self), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role rude_role("rude messages", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  // The message channel has this number, see docs/protocol.md; all ones are no header.
  const std::string garbage(64, '\xff');
  [[maybe_unused]] const auto written = ::write(4, garbage.data(), garbage.size());
  context.run();
  return EXIT_SUCCESS;
});

cohort::environment role(const char* name)
{
  return cohort::environment().set("COHORT_TEST_ROLE", name);
}

// Runs a test's coroutine against a cluster, within bounds.
template <class Cluster = cluster_type, class Test>
void with_cluster(Test test, cohort::settings how = cohort::settings())
{
  asio::io_context context(1);
  Cluster cluster(context, how);
  bool done = false;
  asio::co_spawn(context, test(cluster), [&](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
    done = true;
  });
  context.run_for(60s * cohort_test::time_factor());
  CHECK(done);
  CHECK(cluster.workers().empty());
}

task make_task(std::string what, std::uint64_t number = 0)
{
  task made;
  made.what = std::move(what);
  made.number = number;
  return made;
}

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
