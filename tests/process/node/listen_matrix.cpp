// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Every way to name a place to listen at, with everybody who may accept there.

#include "support/conversation.hpp"
#include "support/ipv6.hpp"
#include "support/listener_worker.hpp"
#include "support/skip.hpp"

#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/subscription.hpp>

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

namespace node_listen_matrix {

using namespace cohort_test;
using asio::ip::tcp;

namespace {

// A way to listen; `first` is what the first worker says, the others have what came out of it.
struct variant {
  std::string host;
  std::string options;
  bool serves_4;
  bool serves_6;

  bool needs_ipv6() const { return host.front() == '['; }
};

const std::vector<variant> variants = {
    {"127.0.0.1", "", true, false},
    {"0.0.0.0", "", true, false},
    {"[::1]", "", false, true},
    {"[::]", "", true, true},
    {"[::]", "ipv6_only", false, true},
    {"any", "", true, true},
};

std::string spec_of(const variant& how, std::uint16_t port)
{
  return how.host + ':' + std::to_string(port) + ' ' + how.options;
}

// Asks until the answer is as wanted: where workers accept, a close is not seen at once.
template <class Fixture>
awaitable<bool> becomes(Fixture& primary, address where, outcome wanted)
{
  const auto is_so = [&] { return ask(where).result == wanted; };
  bool so = false;
  for (int i = 0; i != 1000 && !so; ++i) {
    auto look = [&] { so = is_so(); };
    co_await primary.in_thread(look);
  }
  co_return so;
}

} // namespace

TEST_CASE_TEMPLATE("two workers share a place, leave it one by one, and may come back", Policy,
    cohort::round_robin, cohort::shared, cohort::reuse_port)
{
  const bool ipv6 = has_ipv6();
  for (const variant& how : variants) {
    if (how.needs_ipv6() && !ipv6) continue;
    CAPTURE(how.host);
    CAPTURE(how.options);
    basic_cluster_fixture<Policy> primary;
    primary.run([&]() -> awaitable<void> {
      std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
      const std::uint16_t port = co_await listen_on(primary, workers[0], spec_of(how, 0));
      // By port 0, and by the port that came out of it.
      const std::uint16_t same = co_await listen_on(primary, workers[1], spec_of(how, 0));
      CHECK(same == port);
      const std::string twice =
          co_await primary.command(workers[1], "listen " + spec_of(how, port));
      CHECK(twice == address_in_use);
      std::vector<address> places;
      if (how.serves_4) places.push_back(address::tcp4(port));
      if (how.serves_6 && ipv6) places.push_back(address::tcp6(port));
      for (const address& each : places) {
        const bool served = co_await becomes(primary, each, outcome::ok);
        CHECK(served);
      }
      if (!how.serves_4) CHECK(ask(address::tcp4(port)).result == outcome::refused);
      // The other one goes on alone, and then nobody does.
      co_await primary.command(workers[0], "close 0");
      for (const address& each : places) {
        const bool served = co_await becomes(primary, each, outcome::ok);
        CHECK(served);
      }
      co_await primary.command(workers[1], "close 0");
      for (const address& each : places) {
        const bool closed = co_await becomes(primary, each, outcome::refused);
        CHECK(closed);
      }
      const std::uint16_t again = co_await listen_on(primary, workers[0], spec_of(how, port));
      CHECK(again == port);
      const bool served = co_await becomes(primary, places.front(), outcome::ok);
      CHECK(served);
      co_await primary.end();
    });
  }
  // The others were tried.
  if (!ipv6) skip(no_ipv6);
}

TEST_CASE_TEMPLATE("what is closed is listened on anew at once, without waiting for its end",
    Policy, cohort::round_robin, cohort::shared, cohort::reuse_port)
{
  basic_cluster_fixture<Policy> primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    const std::uint16_t port = co_await listen_on(primary, worker, "127.0.0.1:0");
    const std::string place = "127.0.0.1:" + std::to_string(port);
    for (int i = 0; i != 10; ++i) {
      const std::string again =
          co_await primary.command(worker, "reopen " + std::to_string(i) + ' ' + place);
      CHECK(again == "ok " + place);
    }
    const bool served = co_await becomes(primary, address::tcp4(port), outcome::ok);
    CHECK(served);
    co_await primary.end();
  });
}

TEST_CASE_TEMPLATE("each further listen on any port has another one, which all workers share",
    Policy, cohort::round_robin, cohort::shared, cohort::reuse_port)
{
  basic_cluster_fixture<Policy> primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 3);
    std::set<std::string> results;
    for (cohort::worker& each : workers) {
      const std::string three =
          co_await primary.command(each, "listen 127.0.0.1:0 & 127.0.0.1:0 & udp:127.0.0.1:0");
      results.insert(three);
    }
    REQUIRE(results.size() == 1);
    const std::string three = *results.begin();
    const std::string second = three.substr(three.find(" & ") + 3);
    CHECK(three.starts_with("ok 127.0.0.1:"));
    CHECK(second.starts_with("ok 127.0.0.1:"));
    CHECK_FALSE(second.starts_with(three.substr(0, three.find(" & ")) + ' '));
    co_await primary.end();
  });
}

TEST_CASE_TEMPLATE("a port in use is told to everybody who asks for it at the same time", Policy,
    cohort::round_robin, cohort::shared, cohort::reuse_port)
{
  basic_cluster_fixture<Policy> primary;
  tcp::acceptor other(primary.context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const std::string line = "listen 127.0.0.1:" + std::to_string(other.local_endpoint().port());
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 3);
    for (int round = 0; round != 2; ++round) {
      std::vector<std::string> replies;
      for (cohort::worker& each : workers)
        asio::co_spawn(primary.context, primary.command(each, line),
            [&](std::exception_ptr, std::string reply) { replies.push_back(std::move(reply)); });
      const auto have_answered = [&] { return replies.size() == 3; };
      const bool all = co_await primary.eventually(have_answered);
      REQUIRE(all);
      const std::string expected =
          round == 0 ? address_in_use : "ok 127.0.0.1:" + line.substr(line.rfind(':') + 1);
      for (const std::string& each : replies) CHECK(each == expected);
      if (round == 0) other.close();
    }
    co_await primary.end();
  });
}

TEST_CASE_TEMPLATE("who is to leave listens nowhere any more", Policy, cohort::round_robin,
    cohort::shared, cohort::reuse_port)
{
  basic_cluster_fixture<Policy> primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    const std::string draining =
        "error cohort " + std::error_code(cohort::error::draining).message();
    // A connection that waits for its request keeps the worker from ending before it is asked.
    const std::uint16_t port = co_await listen_on(primary, worker, "127.0.0.1:0");
    client kept(address::tcp4(port));
    std::size_t live = 0;
    for (int i = 0; i != 1000 && live == 0; ++i) {
      const std::string answer = co_await primary.command(worker, "live");
      live = std::stoul(answer);
    }
    REQUIRE(live == 1);
    worker.disconnect([](std::error_code, cohort::exit_status) {});
    for (const char* spec : {"listen 127.0.0.1:0", "listen udp:127.0.0.1:0"}) {
      const std::string refused = co_await primary.command(worker, spec);
      CHECK(refused == draining);
    }
    kept = client();
    co_await primary.end();
  });
}

TEST_CASE_TEMPLATE("an answer to a cancelled listen opens nothing, whatever it says", Policy,
    cohort::round_robin, cohort::shared, cohort::reuse_port)
{
  basic_cluster_fixture<Policy> primary;
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().template subscribe<cohort::listening_event>();
    cohort::worker worker = co_await start_listener(primary);
    const std::string before = co_await primary.command(worker, "descriptors");
    const std::size_t own_before = count_descriptors();
    for (const char* spec : {"127.0.0.1:0", "any:0", "udp:127.0.0.1:0"}) {
      const std::string result = co_await primary.command(worker, std::string("abandon ") + spec);
      CHECK(result == cancelled);
    }
    const bool as_before = co_await has_descriptors(primary, worker, before);
    CHECK(as_before);
    const auto has_own = [&] { return count_descriptors() == own_before; };
    const bool own_as_before = co_await primary.eventually(has_own);
    CHECK(own_as_before);
    const std::uint16_t port = co_await listen_on(primary, worker, "127.0.0.1:0");
    const cohort::listening_event event = co_await listening.next();
    CHECK(event.port == port);
    co_await primary.end();
  });
}

} // namespace node_listen_matrix
