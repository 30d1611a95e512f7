// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include "support/cluster_fixture.hpp"
#include "support/load.hpp"
#include "support/stopped_worker.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/power_of_two.hpp>
#include <cohort/scheduling/random.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/scheduling/slow_start.hpp>
#include <cohort/scheduling/sticky.hpp>
#include <cohort/scheduling/weighted.hpp>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace scheduling_test {

using namespace cohort_test;
using cohort::any_policy;

namespace {

using fixture = basic_cluster_fixture<any_policy>;
using shares = std::map<cohort::worker_id, unsigned>;

// So many clients, one after the other, each from its connection's end to the next: what each
// worker got.
shares ask_one_by_one(const address& to, unsigned clients)
{
  shares got;
  for (unsigned i = 0; i != clients; ++i) {
    const answer each = ask(to);
    if (each.result == outcome::ok) ++got[each.worker];
  }
  return got;
}

// Asks until `done(worker)` says so of the one that answered, or not for ever.
template <class Done>
void ask_until(const address& to, Done done)
{
  for (int i = 0; i != 2000; ++i)
    if (done(ask(to).worker)) return;
  FAIL_CHECK("it never came to that");
}

// All of them have credit then. How many clients it took.
unsigned ask_until_all(const address& to, std::size_t workers)
{
  shares seen;
  ask_until(to, [&](cohort::worker_id worker) {
    ++seen[worker];
    return seen.size() == workers;
  });
  unsigned asked = 0;
  for (const auto& [worker, times] : seen) asked += times;
  return asked;
}

void ask_until_only(const address& to, cohort::worker_id wanted)
{
  int in_turn = 0;
  ask_until(to, [&](cohort::worker_id worker) {
    in_turn = worker == wanted ? in_turn + 1 : 0;
    return in_turn == 10;
  });
}

unsigned sum(const shares& got)
{
  unsigned all = 0;
  for (const auto& [worker, share] : got) all += share;
  return all;
}

bool is_even(const shares& got, std::size_t workers, double tolerance)
{
  const double fair = static_cast<double>(sum(got)) / static_cast<double>(workers);
  if (got.size() != workers) return false;
  for (const auto& [worker, share] : got)
    if (std::abs(share - fair) > tolerance * fair) return false;
  return true;
}

// What they got of so many clients, or of some more: when the machine keeps the primary from
// running for a while, workers do not hear from it who is ahead. That is made good afterwards.
shares ask_until_even(const address& to, std::size_t workers, unsigned clients)
{
  shares got = ask_one_by_one(to, clients);
  CHECK(sum(got) == clients);
  for (int i = 0; i != 20 && !is_even(got, workers, 0.1); ++i)
    for (const auto& [worker, share] : ask_one_by_one(to, clients / 10)) got[worker] += share;
  return got;
}

std::string text_of(const shares& got)
{
  std::string text;
  for (const auto& [worker, share] : got)
    text += std::to_string(worker) + ": " + std::to_string(share) + "  ";
  return text;
}

} // namespace

TEST_CASE("eight workers take two thousand connections, however they are spread")
{
  struct {
    const char* name;
    any_policy policy;
    double tolerance;
  } const policies[] = {
      {"round_robin", cohort::round_robin(), 0.01},
      {"least_connections", cohort::least_connections(), 0.05},
      {"weighted", cohort::weighted(), 0.01},
      {"power_of_two", cohort::power_of_two(7), 0.4},
      {"random", cohort::random(7), 0.4},
      {"slow_start", cohort::slow_start<cohort::round_robin>(), 0.1},
      // Some accept before others do; from then on, see below.
      {"shared", cohort::shared(), 10},
      {"reuse_port", cohort::reuse_port(), 0.4},
  };
  for (const auto& each : policies) {
    CAPTURE(each.name);
    fixture primary(cohort::settings(), each.policy);
    shares got;
    primary.run([&]() -> awaitable<void> {
      const std::vector<cohort::worker> workers = co_await primary.start(8);
      const address where = co_await primary.address_of(workers.front());
      unsigned before = 0;
      auto clients = [&] {
        before = ask_until_all(where, 8);
        got = ask_one_by_one(where, 2000);
      };
      co_await primary.in_thread(clients);
      co_await primary.end();
      CHECK(primary.cluster().counters().accepted == 2000 + before);
      CHECK(primary.cluster().counters().lost == 0);
    });
    CHECK(sum(got) == 2000);
    CHECK_MESSAGE(is_even(got, 8, each.tolerance), text_of(got));
  }
}

TEST_CASE("of one socket four idle workers get within a tenth of each other's share")
{
  shares got;
  // A machine with too much work lets idle workers wait as well as busy ones, and nobody waits for
  // those.
  for (int attempt = 0; attempt != 4 && !is_even(got, 4, 0.1); ++attempt) {
    fixture primary{cohort::settings(), cohort::shared()};
    primary.run([&]() -> awaitable<void> {
      const std::vector<cohort::worker> workers = co_await primary.start(4);
      const address where = co_await primary.address_of(workers.front());
      auto clients = [&] {
        ask_until_all(where, 4);
        got = ask_until_even(where, 4, 1000);
      };
      co_await primary.in_thread(clients);
      co_await primary.end();
    });
  }
  CHECK_MESSAGE(is_even(got, 4, 0.1), text_of(got));
}

TEST_CASE("of one socket a stopped worker gets nothing, and its share again when it goes on")
{
  fixture primary{cohort::settings(), cohort::shared()};
  shares without, again;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await primary.start(3);
    const address where = co_await primary.address_of(workers.front());
    cohort::worker stopped = workers[1];
    auto clients = [&] {
      ask_until_all(where, 3);
      CHECK(cohort_test::stop_worker(stopped));
      without = ask_one_by_one(where, 300);
      stopped.kill(SIGCONT);
      // Or more, for what it has missed.
      for (int i = 0; i != 20 && again[stopped.id()] < 90; ++i) again = ask_one_by_one(where, 300);
    };
    co_await primary.in_thread(clients);
    co_await primary.end();
  });
  CHECK_MESSAGE((without.size() == 2 && without.count(2) == 0), text_of(without));
  CHECK(sum(without) == 300);
  CHECK_MESSAGE(again[2] >= 90, text_of(again));
}

TEST_CASE("with a socket each, two hundred that wait for a worker which is killed are all answered")
{
  fixture primary{cohort::settings(), cohort::reuse_port()};
  std::vector<client> waiting(200);
  std::vector<answer> answers;
  primary.run([&]() -> awaitable<void> {
    cohort::worker stuck = co_await primary.start(server("127.0.0.1:0 hold"));
    const address where = co_await primary.address_of(stuck);
    // It accepts, so that the kernel gives it all; but it does not come to it.
    auto one_client = [&] { CHECK(ask(where).result == outcome::ok); };
    co_await primary.in_thread(one_client);
    stuck.kill(SIGSTOP);
    for (client& each : waiting) CHECK(each.connect(where) == outcome::ok);
    for (client& each : waiting) CHECK(each.request("get") == outcome::ok);
    stuck.kill(SIGKILL);
    co_await stuck.exited();
    cohort::worker next = co_await primary.start(server("127.0.0.1:0 hold"));
    CHECK(next.slot() == stuck.slot());
    auto clients = [&] {
      for (client& each : waiting) answers.push_back(each.receive_answer());
    };
    co_await primary.in_thread(clients);
    co_await primary.end();
  });
  CHECK(summary(answers) == "200 ok");
}

TEST_CASE("what waits for a worker which is killed goes to the others, if there are any")
{
  fixture primary{cohort::settings(), cohort::reuse_port()};
  std::vector<client> waiting(100);
  std::vector<answer> answers;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await primary.start(3);
    const address where = co_await primary.address_of(workers.front());
    cohort::worker stuck = workers[1];
    auto clients = [&] {
      ask_until_all(where, 3);
      stuck.kill(SIGSTOP);
      for (client& each : waiting) CHECK(each.connect(where) == outcome::ok);
      for (client& each : waiting) CHECK(each.request("get") == outcome::ok);
      stuck.kill(SIGKILL);
      for (client& each : waiting) answers.push_back(each.receive_answer());
      // Nobody is sent there any more.
      for (int i = 0; i != 50; ++i) answers.push_back(ask(where));
    };
    co_await primary.in_thread(clients);
    co_await primary.end();
  });
  CHECK(summary(answers) == "150 ok");
}

TEST_CASE("with a socket each the kernel heeds the weights, and weight 0 at once")
{
  fixture primary{cohort::settings(), cohort::reuse_port()};
  shares got, without_first;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers;
    for (const std::uint32_t weight : {70U, 20U, 10U}) {
      primary.cluster().setup(cohort::settings().weight(weight));
      cohort::worker added = co_await primary.start();
      workers.push_back(added);
    }
    const address where = co_await primary.address_of(workers.front());
    auto clients = [&] { got = ask_one_by_one(where, 3000); };
    // From when all three have credit on.
    auto warm_up = [&] { ask_until_all(where, 3); };
    co_await primary.in_thread(warm_up);
    co_await primary.in_thread(clients);
    workers.front().weight(0);
    auto others = [&] { without_first = ask_one_by_one(where, 300); };
    co_await primary.in_thread(others);
    co_await primary.end();
  });
  CHECK(sum(got) == 3000);
  CHECK_MESSAGE(std::abs(got[1] / 30.0 - 70) < 5, text_of(got));
  CHECK_MESSAGE(std::abs(got[2] / 30.0 - 20) < 5, text_of(got));
  CHECK_MESSAGE(std::abs(got[3] / 30.0 - 10) < 5, text_of(got));
  CHECK(sum(without_first) == 300);
  CHECK_MESSAGE(without_first.count(1) == 0, text_of(without_first));
}

TEST_CASE("workers come and go under load, and no client is lost, whoever accepts")
{
  for (const any_policy& policy : {any_policy(cohort::shared()), any_policy(cohort::reuse_port()),
           any_policy(cohort::least_connections())}) {
    fixture primary(cohort::settings(), policy);
    std::vector<answer> answers;
    primary.run([&]() -> awaitable<void> {
      std::vector<cohort::worker> workers = co_await primary.start(2);
      const address where = co_await primary.address_of(workers.front());
      load clients(where, 4);
      for (int i = 0; i != 6; ++i) {
        const std::size_t before = clients.finished();
        const auto go_on = [&] { return clients.finished() > before + 50; };
        const bool went_on = co_await primary.eventually(go_on);
        CHECK(went_on);
        cohort::worker added = co_await primary.start();
        workers.push_back(added);
        const cohort::exit_status status = co_await workers.front().disconnect();
        CHECK(status.success());
        workers.erase(workers.begin());
      }
      auto stop = [&] { clients.stop(); };
      co_await primary.in_thread(stop);
      answers = clients.answers();
      co_await primary.end();
    });
    CHECK(answers.size() > 300);
    CHECK(count(answers, outcome::ok) == answers.size());
  }
}

TEST_CASE("the last worker takes what waits before it leaves, whoever accepts")
{
  for (const any_policy& policy :
      {any_policy(cohort::shared()), any_policy(cohort::reuse_port())}) {
    fixture primary(cohort::settings(), policy);
    std::vector<client> waiting(20);
    std::vector<answer> answers;
    primary.run([&]() -> awaitable<void> {
      // Its program asks for one and then for no more, until it is told to.
      cohort::worker only =
          co_await primary.start(primary.controlled(server("127.0.0.1:0 accept=1")));
      const address where = co_await primary.address_of(only);
      auto clients = [&] {
        CHECK(ask(where).result == outcome::ok);
        for (client& each : waiting) CHECK(each.connect(where) == outcome::ok);
        for (client& each : waiting) CHECK(each.request("get") == outcome::ok);
      };
      co_await primary.in_thread(clients);
      const std::string told = co_await primary.command(only, "accept 0 1000");
      CHECK(told == "ok");
      const cohort::exit_status status = co_await only.disconnect();
      CHECK(status.success());
      for (client& each : waiting) answers.push_back(each.receive_answer());
    });
    CHECK(summary(answers) == "20 ok");
  }
}

TEST_CASE("a worker that has as many connections as it wants gets no more, and then again")
{
  for (const any_policy& policy :
      {any_policy(cohort::shared()), any_policy(cohort::reuse_port())}) {
    fixture primary(cohort::settings(), policy);
    primary.run([&]() -> awaitable<void> {
      const std::vector<cohort::worker> workers =
          co_await primary.start(2, server("127.0.0.1:0 max=2"));
      const address where = co_await primary.address_of(workers.front());
      std::vector<client> kept(4);
      client fifth;
      shares got;
      auto clients = [&] {
        for (client& each : kept) {
          CHECK(each.connect(where) == outcome::ok);
          const answer given = each.ask("keep");
          CHECK(given.result == outcome::ok);
          ++got[given.worker];
        }
        CHECK(fifth.connect(where) == outcome::ok);
        CHECK(fifth.request("get") == outcome::ok);
        kept.front().close();
        CHECK(fifth.receive_answer().result == outcome::ok);
        kept.clear();
      };
      co_await primary.in_thread(clients);
      CHECK_MESSAGE((got[1] == 2 && got[2] == 2), text_of(got));
      co_await primary.end();
    });
  }
}

TEST_CASE("one client's connections go to one worker, and to whoever replaces it")
{
  fixture primary{cohort::settings(), cohort::sticky()};
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await primary.start(4);
    const address where = co_await primary.address_of(workers.front());
    shares got;
    auto clients = [&] { got = ask_one_by_one(where, 20); };
    co_await primary.in_thread(clients);
    CHECK_MESSAGE((got.size() == 1 && sum(got) == 20), text_of(got));
    cohort::worker home = primary.cluster().find(got.begin()->first).value();
    home.kill(SIGKILL);
    co_await home.exited();
    co_await primary.in_thread(clients);
    CHECK_MESSAGE((got.size() == 1 && sum(got) == 20), text_of(got));
    cohort::worker replacement = co_await primary.start();
    CHECK(replacement.slot() == home.slot());
    co_await primary.in_thread(clients);
    CHECK_MESSAGE(got[replacement.id()] >= 19, text_of(got));
    co_await primary.end();
  });
}

TEST_CASE("workers that report a load get less, at whatever they listen then or later")
{
  fixture primary{cohort::settings(), cohort::least_load()};
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers =
        co_await primary.start(2, primary.controlled(server()));
    const address where = co_await primary.address_of(workers.front());
    std::string told = co_await primary.command(workers.front(), "load 100");
    CHECK(told == "ok");
    shares got;
    auto clients = [&] {
      // From when it is known.
      ask_until_only(where, 2);
      got = ask_one_by_one(where, 50);
    };
    co_await primary.in_thread(clients);
    CHECK_MESSAGE((got[2] == 50), text_of(got));
    told = co_await primary.command(workers.back(), "load 200");
    auto others = [&] { ask_until_only(where, 1); };
    co_await primary.in_thread(others);
    told = co_await primary.command(workers.front(), "listen 127.0.0.1:0");
    CHECK(told.starts_with("ok"));
    co_await primary.end();
  });
}

TEST_CASE("each worker has the lowest place that is free")
{
  fixture primary;
  primary.run([&]() -> awaitable<void> {
    primary.cluster().setup(cohort::settings().weight(3).generation(2));
    std::vector<cohort::worker> workers = co_await primary.start(3);
    for (std::uint32_t i = 0; i != 3; ++i) CHECK(workers[i].slot() == i);
    CHECK(workers[0].weight() == 3);
    workers[1].kill(SIGKILL);
    co_await workers[1].exited();
    const cohort::worker second = co_await primary.start();
    CHECK(second.slot() == 1);
    const cohort::worker fourth = co_await primary.start();
    CHECK(fourth.slot() == 3);
    workers[0].kill(SIGKILL);
    co_await workers[0].exited();
    const cohort::worker first = co_await primary.start();
    CHECK(first.slot() == 0);
    co_await primary.cluster().disconnect();
  });
}

TEST_CASE("a port that somebody has is not shared with them unawares")
{
  fixture primary{cohort::settings(), cohort::reuse_port()};
  std::error_code error;
  asio::io_context context;
  asio::ip::tcp::acceptor stranger(context);
  stranger.open(asio::ip::tcp::v4());
  const int on = 1;
  ::setsockopt(stranger.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  stranger.bind(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  stranger.listen();
  const std::string port = std::to_string(stranger.local_endpoint().port());
  primary.run([&]() -> awaitable<void> {
    cohort::worker tries = co_await primary.cluster().co_fork(primary.controlled(server("")));
    co_await tries.online();
    const std::string told = co_await primary.command(tries, "listen 127.0.0.1:" + port);
    CHECK(told.starts_with("error"));
    CHECK(told.find("in use") != told.npos);
    co_await primary.end();
  });
}

} // namespace scheduling_test
