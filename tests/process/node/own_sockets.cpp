// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Sockets that share a port without sharing connections, or a number without sharing a port, after
// the tests of Node's cluster: each test case begins with the name of Node's file, as docs/node.md
// lists them.

#include "support/conversation.hpp"
#include "support/datagram_client.hpp"
#include "support/ipv6.hpp"
#include "support/listener_worker.hpp"
#include "support/skip.hpp"

#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/subscription.hpp>
#include <cohort/this_worker.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <array>
#include <exception>
#include <set>
#include <string>
#include <vector>

namespace node_own_sockets {

using namespace cohort_test;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using asio::ip::udp;

namespace {

const std::string any_port = "127.0.0.1:0";

std::string at(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

// A port of IPv4 is somebody else's, and stays so; that of IPv6 is the workers'.
void expect_ipv6_only(cohort::any_policy policy)
{
  if (!has_ipv6()) return skip(no_ipv6);
  basic_cluster_fixture<cohort::any_policy> primary(cohort::settings(), std::move(policy));
  tcp::acceptor other(primary.context, tcp::endpoint(tcp::v4(), 0));
  const std::uint16_t port = other.local_endpoint().port();
  const std::string where = "[::]:" + std::to_string(port);
  primary.run([&]() -> awaitable<void> {
    auto events = primary.cluster().subscribe<cohort::listening_event>();
    const std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    const std::string both = co_await primary.command(workers[0], "listen " + where);
    CHECK(both == address_in_use);
    for (const cohort::worker& each : workers) {
      const std::uint16_t bound = co_await listen_on(primary, each, where + " ipv6_only");
      CHECK(bound == port);
      const cohort::listening_event event = co_await events.next();
      CHECK(event.worker == each.id());
      CHECK(event.type == cohort::address_type::tcp6);
      CHECK(event.address == "::");
      CHECK(event.port == port);
    }
    answer served;
    auto six = [&] { served = ask(address::tcp6(port)); };
    co_await primary.in_thread(six);
    CHECK(served.result == outcome::ok);
    const client four(address::tcp4(port));
    CHECK(four.is_connected());
    const tcp::socket accepted = co_await other.async_accept(use_awaitable);
    other.close();
    co_await primary.end();
  });
}

// What is no worker of a cluster, in the same process as the primary: it answers as workers do.
awaitable<void> serve_alone(cohort::acceptor<tcp>& acceptor)
{
  std::error_code end;
  for (;;) {
    auto client = co_await acceptor.async_accept(redirect_error(use_awaitable, end));
    if (end) co_return;
    std::string line;
    auto buffer = asio::dynamic_buffer(line);
    co_await asio::async_read_until(client, buffer, '\n', use_awaitable);
    const std::string reply = line.substr(0, line.find(' ')) + " 0 0\n";
    co_await asio::async_write(client, asio::buffer(reply), use_awaitable);
  }
}

awaitable<void> echo_alone(cohort::bound_socket<udp>& socket)
{
  std::array<char, 64> data;
  udp::endpoint sender;
  std::error_code end;
  for (;;) {
    const std::size_t size = co_await socket.async_receive_from(
        asio::buffer(data), sender, redirect_error(use_awaitable, end));
    if (end) co_return;
    const std::string reply = "0 " + std::string(data.data(), size);
    co_await socket.async_send_to(asio::buffer(reply), sender);
  }
}

void rethrow(std::exception_ptr failure)
{
  if (failure) std::rethrow_exception(failure);
}

} // namespace

TEST_CASE("net_reuseport: several sockets of one worker and of others listen on one port, which is "
          "not the primary's business")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().subscribe<cohort::listening_event>();
    const std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    const std::size_t before = count_descriptors();
    const std::uint16_t port = co_await listen_on(primary, workers[0], any_port + " reuse_port");
    const std::string again = "listen " + at(port) + " reuse_port";
    for (const cohort::worker& each : workers) {
      const std::string reply = co_await primary.command(each, again);
      CHECK(reply == "ok " + at(port));
    }
    CHECK(count_descriptors() == before);
    const std::string through_primary = co_await primary.command(workers[1], "listen " + at(port));
    CHECK(through_primary == address_in_use);
    // All of them take what comes, until the last is closed.
    co_await primary.command(workers[1], "close 0");
    for (const char* each : {"close 0", "close 1"}) {
      const answer served = co_await ask_at(primary, address::tcp4(port));
      CHECK(served.worker == workers[0].id());
      co_await primary.command(workers[0], each);
    }
    const client late(address::tcp4(port));
    CHECK_FALSE(late.is_connected());
    CHECK(primary.cluster().counters().accepted == 0);
    // The first that the primary hears of is the next one.
    const std::uint16_t shared = co_await listen_on(primary, workers[0], any_port);
    const cohort::listening_event event = co_await listening.next();
    CHECK(event.port == shared);
    co_await primary.end();
  });
}

TEST_CASE("net_listen_exclusive_random_ports: any port for oneself is another one for each worker")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    std::set<std::uint16_t> ports;
    for (const cohort::worker& each : workers) {
      const std::uint16_t port = co_await listen_on(primary, each, any_port + " exclusive");
      ports.insert(port);
      const answer served = co_await ask_at(primary, address::tcp4(port));
      CHECK(served.worker == each.id());
    }
    CHECK(ports.size() == 2);
    co_await primary.end();
  });
}

TEST_CASE("net_listen_ipv6only_rr: IPv6 alone leaves the port of IPv4 to others")
{
  expect_ipv6_only(cohort::any_policy());
}

TEST_CASE("net_listen_ipv6only_none: with a shared socket as well")
{
  expect_ipv6_only(cohort::shared());
}

TEST_CASE("child_process_net_reuseport: a worker and a process without a cluster listen on one "
          "port, and both get connections")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::this_worker alone(primary.context, cohort::standalone);
    const tcp::endpoint anywhere(asio::ip::address_v4::loopback(), 0);
    const cohort::listen_options options = cohort::listen_options().reuse_port(true);
    auto acceptor = co_await alone.listen(anywhere, options);
    const std::uint16_t port = acceptor.local_endpoint().port();
    asio::co_spawn(primary.context, serve_alone(acceptor), rethrow);
    cohort::worker worker = co_await start_listener(primary);
    co_await listen_on(primary, worker, at(port) + " reuse_port");
    std::set<cohort::worker_id> seen;
    auto clients = [&] {
      for (int i = 0; i != 500 && seen.size() != 2; ++i) {
        const answer one = ask(address::tcp4(port));
        CHECK(one.result == outcome::ok);
        seen.insert(one.worker);
      }
    };
    co_await primary.in_thread(clients);
    CHECK(seen == std::set<cohort::worker_id>{0, worker.id()});
    acceptor.close();
    co_await primary.end();
  });
}

TEST_CASE("child_process_dgram_reuseport: a worker and a process without a cluster bind one port, "
          "and both get datagrams")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::this_worker alone(primary.context, cohort::standalone);
    const udp::endpoint anywhere(asio::ip::address_v4::loopback(), 0);
    const cohort::listen_options options = cohort::listen_options().reuse_port(true);
    auto socket = co_await alone.bind(anywhere, options);
    const std::uint16_t port = socket.local_endpoint().port();
    asio::co_spawn(primary.context, echo_alone(socket), rethrow);
    cohort::worker worker = co_await start_listener(primary);
    co_await listen_on(primary, worker, "udp:" + at(port) + " reuse_port");
    std::set<std::string> seen;
    auto clients = [&] {
      // A sender always comes to the same socket.
      for (int i = 0; i != 500 && seen.size() != 2; ++i)
        seen.insert(datagram_client().ask(port, "hello"));
    };
    co_await primary.in_thread(clients);
    CHECK(seen == std::set<std::string>{"0 hello", "1 hello"});
    socket.close();
    co_await primary.end();
  });
}

} // namespace node_own_sockets
