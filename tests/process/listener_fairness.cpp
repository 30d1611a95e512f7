// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Several listeners of the same workers: what happens at one does not keep another one waiting.

#include "support/cluster_fixture.hpp"
#include "support/load.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>

#include <asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace listener_fairness_test {

using namespace cohort_test;
using cohort::any_policy;

namespace {

using any_fixture = basic_cluster_fixture<any_policy>;

// A client that does not wait for its answers before it asks again, each time on a connection of
// its own: at least so many are on their way always.
class flood {
public:
  flood(const address& to, std::size_t width) : thread_([this, to, width] { run(to, width); }) {}
  ~flood() { stop(); }
  flood(const flood&) = delete;
  flood& operator=(const flood&) = delete;

  /// Ends when all that was asked is answered.
  void stop()
  {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::size_t finished() const { return finished_; }
  /// After `stop`.
  const std::vector<answer>& answers() const { return answers_; }

private:
  void run(const address& to, std::size_t width)
  {
    std::deque<client> asked;
    while (!stopping_ || !asked.empty()) {
      while (!stopping_ && asked.size() < width) {
        asked.emplace_back();
        if (asked.back().connect(to) == outcome::ok) asked.back().request("get");
      }
      if (asked.empty()) break;
      answers_.push_back(asked.front().is_connected() ? asked.front().receive_answer() : answer());
      asked.pop_front();
      ++finished_;
    }
  }

  std::vector<answer> answers_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> finished_ = 0;
  std::thread thread_;
};

// "ok 127.0.0.1:4711" is what a worker answers who listens.
address address_in(const std::string& told)
{
  REQUIRE_MESSAGE(told.starts_with("ok "), told);
  return address::tcp4(static_cast<std::uint16_t>(std::stoi(told.substr(told.rfind(':') + 1))));
}

// How many connections workers have been offered and have not answered.
std::uint64_t on_offer(const cohort::connection_counters& counters)
{
  return counters.offered - counters.taken - counters.redispatched;
}

// The most that are on offer at a time, as far as looking often tells.
class offer_watch {
public:
  explicit offer_watch(cluster_fixture& primary) : primary_(primary), timer_(primary.context)
  {
    look();
  }

  void look()
  {
    most_ = std::max(most_, on_offer(primary_.cluster().counters()));
    timer_.expires_after(std::chrono::milliseconds(1));
    timer_.async_wait([this](std::error_code error) {
      if (!error && !stopped_) look();
    });
  }
  // Otherwise the context never comes to an end.
  void stop()
  {
    stopped_ = true;
    timer_.cancel();
  }
  std::uint64_t most() const { return most_; }

private:
  cluster_fixture& primary_;
  asio::steady_timer timer_;
  std::uint64_t most_ = 0;
  bool stopped_ = false;
};

} // namespace

TEST_CASE("a flood at one port leaves nobody unanswered at another one, whoever accepts")
{
  const std::pair<const char*, any_policy> policies[] = {
      {"round_robin", cohort::round_robin()},
      {"least_connections", cohort::least_connections()},
      {"shared", cohort::shared()},
      {"reuse_port", cohort::reuse_port()},
  };
  for (const auto& [name, policy] : policies) {
    const std::string used = name;
    CAPTURE(used);
    any_fixture primary(cohort::settings(), policy);
    std::vector<answer> quiet, busy;
    bool went_on = true;
    primary.run([&]() -> awaitable<void> {
      const std::vector<cohort::worker> workers =
          co_await primary.start(2, primary.controlled(server()));
      const address flooded = co_await primary.address_of(workers.front());
      std::string told = co_await primary.command(workers.front(), "listen 127.0.0.1:0");
      const address other = address_in(told);
      told = co_await primary.command(workers.back(), "listen 127.0.0.1:0");
      CHECK(told.starts_with("ok "));
      auto clients = [&] {
        flood crowd(flooded, 300);
        for (int round = 0; round != 10; ++round) {
          // The flood goes on all the while.
          const std::size_t before = crowd.finished();
          for (int i = 0; i != 1000 && crowd.finished() == before; ++i) quiet.push_back(ask(other));
          went_on = went_on && crowd.finished() != before;
          for (int i = 0; i != 10; ++i) quiet.push_back(ask(other));
        }
        crowd.stop();
        busy = crowd.answers();
      };
      co_await primary.in_thread(clients);
      co_await primary.end();
    });
    CHECK(went_on);
    CHECK(quiet.size() >= 100);
    CHECK_MESSAGE(count(quiet, outcome::ok) == quiet.size(), summary(quiet));
    CHECK(busy.size() >= 300);
    CHECK_MESSAGE(count(busy, outcome::ok) == busy.size(), summary(busy));
  }
}

TEST_CASE("a worker's credit is spread over its listeners, and one that asks for nothing is served")
{
  constexpr std::size_t listeners = 16;
  constexpr std::size_t clients_each = 20;
  cluster_fixture primary;
  offer_watch watch(primary);
  std::vector<client> waiting(clients_each * (listeners - 1));
  std::vector<answer> answers, quiet;
  primary.run([&]() -> awaitable<void> {
    // All but the last take one connection, and then no more until they are told to.
    const std::string stalled = "127.0.0.1:0 credit=128 accept=1";
    const cohort::worker only = co_await primary.start(primary.controlled(server(stalled)));
    const address first = co_await primary.address_of(only);
    std::vector<address> where{first};
    while (where.size() != listeners) {
      const std::string how = where.size() + 1 == listeners ? "127.0.0.1:0 credit=128" : stalled;
      const std::string told = co_await primary.command(only, "listen " + how);
      const address added = address_in(told);
      where.push_back(added);
    }
    auto connect = [&] {
      for (std::size_t i = 0; i != waiting.size(); ++i) {
        CHECK(waiting[i].connect(where[i % (listeners - 1)]) == outcome::ok);
        CHECK(waiting[i].request("get") == outcome::ok);
      }
    };
    co_await primary.in_thread(connect);
    // Its share for each that stalls.
    const auto is_full = [&] {
      return on_offer(primary.cluster().counters()) == 8 * (listeners - 1);
    };
    const bool full = co_await primary.eventually(is_full);
    CHECK(full);
    auto clients = [&] {
      for (int i = 0; i != 50; ++i) quiet.push_back(ask(where.back()));
    };
    co_await primary.in_thread(clients);
    // Of the last one it learns a little later.
    const bool still_full = co_await primary.eventually(is_full);
    CHECK(still_full);
    for (std::size_t i = 0; i + 1 != listeners; ++i) {
      const std::string line = "accept " + std::to_string(i) + " 1000";
      const std::string told = co_await primary.command(only, line);
      CHECK(told == "ok");
    }
    auto receive = [&] {
      for (client& each : waiting) answers.push_back(each.receive_answer());
    };
    co_await primary.in_thread(receive);
    watch.stop();
    waiting.clear();
    co_await primary.end();
  });
  CHECK(watch.most() <= 128);
  CHECK(summary(quiet) == "50 ok");
  CHECK(summary(answers) == "300 ok");
}

TEST_CASE("a listener that is added when all credit is in use gets its share of what is answered")
{
  cluster_fixture primary;
  offer_watch watch(primary);
  std::vector<client> waiting(400);
  std::vector<answer> answers, quiet;
  primary.run([&]() -> awaitable<void> {
    const cohort::worker only =
        co_await primary.start(primary.controlled(server("127.0.0.1:0 credit=128 accept=1")));
    const address busy = co_await primary.address_of(only);
    auto connect = [&] {
      for (client& each : waiting) {
        CHECK(each.connect(busy) == outcome::ok);
        CHECK(each.request("get") == outcome::ok);
      }
    };
    co_await primary.in_thread(connect);
    const auto is_full = [&] { return on_offer(primary.cluster().counters()) == 128; };
    const bool full = co_await primary.eventually(is_full);
    CHECK(full);
    std::string told = co_await primary.command(only, "listen 127.0.0.1:0 credit=128");
    const address other = address_in(told);
    CHECK(is_full());
    // Half of it is the other's from now on: these do not bring new offers.
    told = co_await primary.command(only, "accept 0 70");
    CHECK(told == "ok");
    auto ask_other = [&] {
      for (int i = 0; i != 50; ++i) quiet.push_back(ask(other));
    };
    co_await primary.in_thread(ask_other);
    const auto is_half = [&] { return on_offer(primary.cluster().counters()) == 64; };
    const bool half = co_await primary.eventually(is_half);
    CHECK(half);
    told = co_await primary.command(only, "accept 0 1000");
    auto receive = [&] {
      for (client& each : waiting) answers.push_back(each.receive_answer());
    };
    co_await primary.in_thread(receive);
    watch.stop();
    waiting.clear();
    co_await primary.end();
  });
  CHECK(watch.most() <= 128);
  CHECK(summary(quiet) == "50 ok");
  CHECK(summary(answers) == "400 ok");
}

} // namespace listener_fairness_test
