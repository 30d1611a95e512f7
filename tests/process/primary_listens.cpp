// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The primary listens by itself: before any worker, between two, and after the last one.

#include "support/cluster_fixture.hpp"
#include "support/kept_port.hpp"
#include "support/load.hpp"

#include <cohort/overflow.hpp>
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace primary_listens_process {

using namespace cohort_test;
using namespace std::chrono_literals;
using asio::ip::tcp;
using cohort::any_policy;
using cohort::overflow;
using fixture = basic_cluster_fixture<any_policy>;
using local = asio::local::stream_protocol;

namespace {

const tcp::endpoint any_port(asio::ip::address_v4::loopback(), 0);

struct named_policy {
  const char* name;
  any_policy policy;
};

std::vector<named_policy> policies()
{
  return {{"round_robin", cohort::round_robin()}, {"shared", cohort::shared()},
      {"reuse_port", cohort::reuse_port()}};
}

cohort::environment server_on(const tcp::endpoint& where)
{
  return server("127.0.0.1:" + std::to_string(where.port()));
}

// Clients that wait for a worker, with their request.
std::vector<client> arrive(const address& where, std::size_t count)
{
  std::vector<client> waiting(count);
  for (client& each : waiting) CHECK(each.connect(where) == outcome::ok);
  for (client& each : waiting) CHECK(each.request("get") == outcome::ok);
  return waiting;
}

std::string answers_to(std::vector<client>& waiting)
{
  std::vector<answer> answers;
  for (client& each : waiting) answers.push_back(each.receive_answer());
  waiting.clear();
  return summary(answers);
}

const overflow gone = overflow::refuse("0 gone\n").after(0s);

// What a client gets that asks once: the answer of a worker or that of the primary, or else what
// went wrong. Either ends in good order.
std::string ask_anybody(const address& where)
{
  client one;
  outcome result = one.connect(where);
  if (result == outcome::ok) result = one.request("get");
  std::string line;
  if (result == outcome::ok) result = one.receive(line);
  if (result == outcome::ok) result = one.receive_end();
  if (result != outcome::ok) return to_string(result);
  return line == "0 gone" ? "gone" : "served";
}

} // namespace

TEST_CASE("who comes before any worker, or between two, is served by the next one")
{
  for (const named_policy& each : policies()) {
    CAPTURE(each.name);
    const std::size_t descriptors = count_descriptors();
    {
      fixture primary(cohort::settings(), each.policy);
      primary.run([&]() -> awaitable<void> {
        const tcp::endpoint bound = primary.cluster().listen(any_port);
        const address where = address::tcp4(bound.port());
        std::vector<client> waiting = arrive(where, 50);
        cohort::worker first = co_await primary.start(server_on(bound));
        auto served = [&] { CHECK(answers_to(waiting) == "50 ok"); };
        co_await primary.in_thread(served);
        first.kill(SIGKILL);
        co_await first.exited();
        waiting = arrive(where, 50);
        const std::vector<cohort::worker> next = co_await primary.start(2, server_on(bound));
        co_await primary.in_thread(served);
        co_await primary.end();
        // Nor does it matter to the primary that the cluster has ended once.
        waiting = arrive(where, 50);
        co_await primary.start(server_on(bound));
        co_await primary.in_thread(served);
        co_await primary.end();
        CHECK(primary.cluster().counters().taken == 150);
        CHECK(primary.cluster().counters().closed == 0);
        primary.cluster().stop_listening(bound);
        CHECK(client().connect(where) == outcome::refused);
      });
    }
    CHECK(count_descriptors() == descriptors);
  }
}

TEST_CASE("a worker that listens on port 0 gets the primary's first one, and its options")
{
  fixture primary;
  primary.run([&]() -> awaitable<void> {
    const auto options = cohort::listen_options().shared_data("of the primary");
    const tcp::endpoint first = primary.cluster().listen(any_port, options);
    const tcp::endpoint second = primary.cluster().listen(any_port);
    CHECK(first != second);
    cohort::worker worker = co_await primary.start();
    const cohort::listening_event event = co_await worker.listening();
    CHECK(event.port == first.port());
    cohort::worker other = co_await primary.start(server_on(second));
    const cohort::listening_event of_other = co_await other.listening();
    CHECK(of_other.port == second.port());
    co_await primary.end();
  });
}

TEST_CASE("a port that somebody else has is an error, and nothing of it stays")
{
  kept_port port;
  port.take();
  fixture primary;
  primary.run([&]() -> awaitable<void> {
    const tcp::endpoint where(asio::ip::address_v4::loopback(), port.number());
    std::error_code error;
    primary.cluster().listen(where, cohort::listen_options(), error);
    CHECK(error == std::errc::address_in_use);
    port.free();
    CHECK(primary.cluster().listen(where) == where);
    co_await primary.start(server_on(where));
    auto clients = [&] { CHECK(ask(address::tcp4(port.number())).result == outcome::ok); };
    co_await primary.in_thread(clients);
    co_await primary.end();
  });
}

TEST_CASE("a path is there as long as the primary listens")
{
  fixture primary;
  const std::string path = primary.scratch.file("web.sock");
  primary.run([&]() -> awaitable<void> {
    const local::endpoint where(path);
    CHECK(primary.cluster().listen(where, cohort::listen_options().mode(0660)) == where);
    std::vector<client> waiting = arrive(address::local(path), 10);
    for (int i = 0; i != 2; ++i) {
      co_await primary.start(server("unix:" + path + " mode=600"));
      struct stat status;
      REQUIRE(::stat(path.c_str(), &status) == 0);
      CHECK((status.st_mode & 0777U) == 0660U);
      auto served = [&] { CHECK(answers_to(waiting) == "10 ok"); };
      co_await primary.in_thread(served);
      co_await primary.end();
      waiting = arrive(address::local(path), 10);
    }
    primary.cluster().answer(where, gone);
    auto clients = [&] { CHECK(ask_anybody(address::local(path)) == "gone"); };
    co_await primary.in_thread(clients);
    primary.cluster().stop_listening(where);
    CHECK(::access(path.c_str(), F_OK) != 0);
  });
}

TEST_CASE("the primary answers while no worker is there, and only then")
{
  for (const named_policy& each : policies()) {
    CAPTURE(each.name);
    const std::size_t descriptors = count_descriptors();
    {
      fixture primary(cohort::settings(), each.policy);
      primary.run([&]() -> awaitable<void> {
        const tcp::endpoint bound = primary.cluster().listen(any_port);
        const address where = address::tcp4(bound.port());
        std::string expected = "gone";
        auto clients = [&] {
          for (int i = 0; i != 20; ++i) CHECK(ask_anybody(where) == expected);
        };
        primary.cluster().answer(bound, gone);
        for (int i = 0; i != 2; ++i) {
          expected = "gone";
          co_await primary.in_thread(clients);
          cohort::worker worker = co_await primary.start(server_on(bound));
          expected = "served";
          co_await primary.in_thread(clients);
          worker.kill(SIGKILL);
          co_await worker.exited();
        }
        // Told to wait they do.
        primary.cluster().hold(bound);
        std::vector<client> waiting = arrive(where, 10);
        co_await primary.start(server_on(bound));
        auto served = [&] { CHECK(answers_to(waiting) == "10 ok"); };
        co_await primary.in_thread(served);
        co_await primary.end();
        const cohort::connection_counters counters = primary.cluster().counters();
        CHECK(counters.unserved == 40);
        CHECK(counters.accepted == counters.taken + counters.unserved);
        primary.cluster().stop_listening(bound);
      });
    }
    CHECK(count_descriptors() == descriptors);
  }
}

TEST_CASE("who waits for an answer is served by the worker that comes in time")
{
  for (const named_policy& each : policies()) {
    CAPTURE(each.name);
    fixture primary(cohort::settings(), each.policy);
    primary.run([&]() -> awaitable<void> {
      const tcp::endpoint bound = primary.cluster().listen(any_port);
      const address where = address::tcp4(bound.port());
      primary.cluster().answer(bound, overflow::refuse("0 gone\n").after(1h).limit(20));
      std::vector<client> waiting = arrive(where, 50);
      // Who is over the limit waits in the kernel.
      const auto waits = [&] { return primary.cluster().counters().accepted == 20; };
      const bool so_many = co_await primary.eventually(waits);
      CHECK(so_many);
      co_await primary.start(server_on(bound));
      auto served = [&] { CHECK(answers_to(waiting) == "50 ok"); };
      co_await primary.in_thread(served);
      co_await primary.end();
      CHECK(primary.cluster().counters().unserved == 0);
      primary.cluster().stop_listening(bound);
    });
  }
}

TEST_CASE("under load every client gets an answer, whether workers come or go")
{
  for (const named_policy& each : policies()) {
    CAPTURE(each.name);
    fixture primary(cohort::settings(), each.policy);
    primary.run([&]() -> awaitable<void> {
      const tcp::endpoint bound = primary.cluster().listen(any_port);
      const address where = address::tcp4(bound.port());
      primary.cluster().answer(bound, gone);
      std::atomic<bool> over = false;
      std::atomic<std::size_t> served = 0, told = 0;
      std::vector<std::string> wrong;
      auto load = [&] {
        while (!over) {
          const std::string got = ask_anybody(where);
          if (got == "served") ++served;
          else if (got == "gone") ++told;
          else wrong.push_back(got);
        }
      };
      auto changes = [&]() -> awaitable<void> {
        for (int i = 0; i != 5; ++i) {
          const std::size_t told_before = told;
          const auto more_told = [&] { return told > told_before + 20; };
          const bool answered = co_await primary.eventually(more_told);
          CHECK(answered);
          cohort::worker worker = co_await primary.start(server_on(bound));
          const std::size_t served_before = served;
          const auto more_served = [&] { return served > served_before + 20; };
          const bool taken = co_await primary.eventually(more_served);
          CHECK(taken);
          const cohort::exit_status status = co_await worker.disconnect();
          CHECK(status.success());
        }
        over = true;
      };
      bool changed = false;
      asio::co_spawn(primary.context, changes(), [&](std::exception_ptr) { changed = true; });
      co_await primary.in_thread(load);
      const auto has_changed = [&] { return changed; };
      const bool done = co_await primary.eventually(has_changed);
      CHECK(done);
      CHECK_MESSAGE(wrong.empty(), wrong.size(), " times ", wrong.empty() ? "" : wrong.front());
      const cohort::connection_counters counters = primary.cluster().counters();
      CHECK(counters.taken == served);
      CHECK(counters.unserved == told);
      CHECK(counters.accepted == served + told);
      primary.cluster().stop_listening(bound);
    });
  }
}

} // namespace primary_listens_process
