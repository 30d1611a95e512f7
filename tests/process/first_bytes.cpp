// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include "support/cluster_fixture.hpp"

#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/slow_start.hpp>
#include <cohort/scheduling/sticky.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace first_bytes_test {

using namespace cohort_test;

namespace {

// By the last letter of the first line: "17 get b" goes to the second worker. A line without end,
// or without a letter, goes to the first.
struct by_letter {
  static constexpr std::size_t peek = 64;

  static std::string text(std::span<const std::byte> bytes)
  {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  bool enough(std::span<const std::byte> bytes) const { return text(bytes).ends_with('\n'); }
  std::chrono::milliseconds peek_time() const { return time; }

  std::size_t select(
      std::span<const cohort::candidate> members, const cohort::connection_info& connection)
  {
    const std::string line = text(connection.first_bytes());
    const bool has_letter = line.size() > 1 && line.ends_with('\n');
    const auto wanted = has_letter ? static_cast<std::size_t>(line[line.size() - 2] - 'a') : 0;
    return wanted < members.size() && members[wanted].ready() ? wanted : cohort::wait;
  }

  std::chrono::milliseconds time = std::chrono::hours(1);
};

using letter_fixture = basic_cluster_fixture<by_letter>;

} // namespace

TEST_CASE("who gets a connection is decided by what its client says first")
{
  letter_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await primary.start(3);
    const address where = co_await primary.address_of(workers.front());
    auto clients = [&] {
      for (int i = 0; i != 30; ++i) {
        const auto wanted = static_cast<std::size_t>(i % 3);
        const answer given = ask(where, std::string("get ") + static_cast<char>('a' + i % 3));
        CHECK(given.result == outcome::ok);
        CHECK(given.worker == workers[wanted].id());
      }
    };
    co_await primary.in_thread(clients);
    co_await primary.end();
    CHECK(primary.cluster().counters().accepted == 30);
  });
}

TEST_CASE("a client that says nothing keeps nobody waiting, and is not forgotten")
{
  letter_fixture primary;
  primary.run([&]() -> awaitable<void> {
    // Fewer places than clients that are silent.
    const std::vector<cohort::worker> workers =
        co_await primary.start(2, server("127.0.0.1:0 credit=2"));
    const address where = co_await primary.address_of(workers.front());
    auto clients = [&] {
      std::vector<client> silent(20);
      for (client& each : silent) CHECK(each.connect(where) == outcome::ok);
      for (int i = 0; i != 20; ++i) CHECK(ask(where, "get b").worker == workers[1].id());
      // In parts, with others in between.
      for (client& each : silent) CHECK(each.send("1 ge") == outcome::ok);
      CHECK(ask(where, "get b").worker == workers[1].id());
      for (client& each : silent) {
        CHECK(each.send("t a\n") == outcome::ok);
        std::string line;
        CHECK(each.receive(line) == outcome::ok);
        CHECK(line.starts_with("1 " + std::to_string(workers[0].id()) + ' '));
      }
    };
    co_await primary.in_thread(clients);
    co_await primary.end();
  });
}

TEST_CASE("after a time a silent client goes to a worker all the same")
{
  letter_fixture primary(cohort::settings(), by_letter{std::chrono::milliseconds(50)});
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers =
        co_await primary.start(2, primary.controlled(server()));
    const address where = co_await primary.address_of(workers.front());
    client silent(where);
    const auto is_taken = [&] { return primary.cluster().counters().taken == 1; };
    const bool taken = co_await primary.eventually(is_taken);
    CHECK(taken);
    CHECK(silent.ask("get b").worker == workers[0].id());
    co_await primary.end();
  });
}

TEST_CASE("the last worker gets those too who have not said anything yet")
{
  letter_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker only = co_await primary.start();
    const address where = co_await primary.address_of(only);
    std::vector<client> silent(20);
    for (client& each : silent) CHECK(each.connect(where) == outcome::ok);
    // The primary has seen the others when it has seen this one.
    auto one_client = [&] { CHECK(ask(where, "get a").result == outcome::ok); };
    co_await primary.in_thread(one_client);
    std::optional<cohort::exit_status> status;
    only.disconnect([&](std::error_code, cohort::exit_status given) { status = given; });
    const auto are_taken = [&] { return primary.cluster().counters().taken == 21; };
    const bool taken = co_await primary.eventually(are_taken);
    CHECK(taken);
    auto clients = [&] {
      for (client& each : silent) CHECK(each.ask("get a").worker == only.id());
    };
    co_await primary.in_thread(clients);
    const auto is_over = [&] { return status.has_value(); };
    const bool over = co_await primary.eventually(is_over);
    CHECK((over && status->success()));
    CHECK(primary.cluster().counters().closed == 0);
  });
}

TEST_CASE("clients that say nothing are closed when no worker is left")
{
  letter_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker only = co_await primary.start();
    const address where = co_await primary.address_of(only);
    client silent(where);
    auto one_client = [&] { CHECK(ask(where, "get a").result == outcome::ok); };
    co_await primary.in_thread(one_client);
    only.kill(SIGKILL);
    co_await only.exited();
    auto end = [&] { CHECK(silent.receive_end() == outcome::ok); };
    co_await primary.in_thread(end);
    CHECK(primary.cluster().counters().closed == 1);
    CHECK(primary.cluster().counters().accepted == 2);
  });
}

TEST_CASE("behind a balancer one client's connections go to one worker")
{
  using policy = cohort::slow_start<cohort::sticky_by_proxy>;
  basic_cluster_fixture<policy> primary;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await primary.start(4);
    const address where = co_await primary.address_of(workers.front());
    std::map<std::string, cohort::worker_id> homes;
    auto clients = [&] {
      for (int i = 0; i != 60; ++i) {
        const std::string source = "192.0.2." + std::to_string(i % 20);
        client one(where);
        // To the worker the header is one more line, which it answers.
        CHECK(one.send("PROXY TCP4 " + source) == outcome::ok);
        CHECK(one.send(" 198.51.100.1 35646 80\r\n") == outcome::ok);
        std::string line;
        CHECK(one.receive(line) == outcome::ok);
        const answer given = one.ask("get");
        CHECK(given.result == outcome::ok);
        const auto [home, is_new] = homes.emplace(source, given.worker);
        CHECK(home->second == given.worker);
      }
    };
    co_await primary.in_thread(clients);
    std::vector<cohort::worker_id> used;
    for (const auto& [source, worker] : homes)
      if (std::ranges::count(used, worker) == 0) used.push_back(worker);
    CHECK(used.size() > 1);
    co_await primary.end();
  });
}

} // namespace first_bytes_test
