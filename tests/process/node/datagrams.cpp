// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Datagram sockets that workers share. Names begin with those of Node's tests of its cluster.

#include "support/datagram_client.hpp"
#include "support/ipv6.hpp"
#include "support/listener_worker.hpp"
#include "support/skip.hpp"

#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/subscription.hpp>

#include <asio/ip/udp.hpp>
#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace node_datagrams {

using namespace cohort_test;
using reuse_port_fixture = basic_cluster_fixture<cohort::reuse_port>;

namespace {

const std::string any_port = "udp:127.0.0.1:0";

std::string at(std::uint16_t port) { return "udp:127.0.0.1:" + std::to_string(port); }

asio::ip::udp::endpoint udp_at(const char* host, std::uint16_t port)
{
  return asio::ip::udp::endpoint(asio::ip::make_address(host), port);
}

// A datagram socket of the test's own process.
struct foreign_socket {
  asio::io_context context{1};
  asio::ip::udp::socket socket{
      context, asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::uint16_t port() const { return socket.local_endpoint().port(); }
};

} // namespace

TEST_CASE("child_index_dgram: a worker binds and closes several sockets over and over")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    const std::string before = co_await primary.command(worker, "descriptors");
    for (int round = 0; round != 10; ++round) {
      std::set<std::uint16_t> ports;
      for (int i = 0; i != 3; ++i) {
        const std::uint16_t port = co_await listen_on(primary, worker, any_port);
        ports.insert(port);
      }
      CHECK(ports.size() == 3);
      for (int i = 0; i != 3; ++i)
        co_await primary.command(worker, "close " + std::to_string(3 * round + i));
    }
    const bool as_before = co_await has_descriptors(primary, worker, before);
    CHECK(as_before);
    co_await primary.end();
  });
}

TEST_CASE("dgram_1: each datagram to a shared port comes to one worker")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().subscribe<cohort::listening_event>();
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 4);
    std::uint16_t port = 0;
    for (cohort::worker& each : workers) {
      const std::uint16_t bound = co_await listen_on(primary, each, any_port);
      CHECK((port == 0 || bound == port));
      port = bound;
      const cohort::listening_event event = co_await listening.next();
      CHECK(event.worker == each.id());
      CHECK(event.type == cohort::address_type::udp4);
      CHECK(event.address == "127.0.0.1");
      CHECK(event.port == port);
    }
    datagram_client client;
    for (int i = 0; i != 40; ++i) {
      const std::string text = "packet " + std::to_string(i);
      CHECK(client.ask(port, text).substr(1) == ' ' + text);
    }
    int sum = 0;
    for (cohort::worker& each : workers) {
      const std::string received = co_await primary.command(each, "received 0");
      sum += std::stoi(received);
    }
    CHECK(sum == 40);
    co_await primary.end();
  });
}

TEST_CASE("dgram_2: what workers send from a shared port comes from that port")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 4);
    datagram_client client;
    std::uint16_t port = 0;
    for (cohort::worker& each : workers) {
      port = co_await listen_on(primary, each, any_port);
      const std::string line = "send 0 " + std::to_string(client.port()) + " 10";
      co_await primary.command(each, line);
    }
    for (int i = 0; i != 40; ++i) {
      CHECK(client.receive() == "hello");
      CHECK(client.sender.port() == port);
    }
    co_await primary.end();
  });
}

TEST_CASE_TEMPLATE("dgram_bind_fd: workers share a socket that the primary has bound", Policy,
    cohort::round_robin, cohort::reuse_port)
{
  basic_cluster_fixture<Policy> primary;
  // Asio's sockets are not CLOEXEC.
  foreign_socket bound;
  const int number = bound.socket.native_handle();
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().template subscribe<cohort::listening_event>();
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    for (cohort::worker& each : workers) {
      const std::uint16_t port =
          co_await listen_on(primary, each, "udp:fd:" + std::to_string(number));
      CHECK(port == bound.port());
      const cohort::listening_event event = co_await listening.next();
      CHECK(event.inherited_fd == number);
      CHECK(event.type == cohort::address_type::udp4);
    }
    datagram_client client;
    for (int i = 0; i != 20; ++i) CHECK(client.ask(bound.port(), "x").substr(1) == " x");
    co_await primary.end();
  });
  // It is the primary's still.
  datagram_client client;
  client.send(bound.port(), "late");
  std::array<char, 10> data;
  CHECK(bound.socket.receive(asio::buffer(data)) == 4);
}

TEST_CASE("dgram_ipv6only: IPv6 alone leaves the port of IPv4 to another socket of the same worker")
{
  if (!has_ipv6()) return skip(no_ipv6);
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    const std::uint16_t port = co_await listen_on(primary, worker, "udp:[::]:0 ipv6_only");
    const std::string four =
        co_await primary.command(worker, "listen udp:0.0.0.0:" + std::to_string(port));
    CHECK(four == "ok 0.0.0.0:" + std::to_string(port));
    datagram_client client_4, client_6(true);
    CHECK(client_6.ask(port, "six") == "1 six");
    CHECK(client_4.ask(port, "four") == "1 four");
    for (const char* each : {"received 0", "received 1"}) {
      const std::string received = co_await primary.command(worker, each);
      CHECK(received == "1");
    }
    co_await primary.end();
  });
}

TEST_CASE_TEMPLATE("a datagram socket of every address takes IPv6, and IPv4 unless told otherwise",
    Policy, cohort::round_robin, cohort::reuse_port)
{
  if (!has_ipv6()) return skip(no_ipv6);
  basic_cluster_fixture<Policy> primary;
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().template subscribe<cohort::listening_event>();
    cohort::worker worker = co_await start_listener(primary);
    datagram_client client_4, client_6(true);
    // What the primary binds, and what the worker binds for itself.
    for (const std::string option : {"", " exclusive", " reuse_port"}) {
      CAPTURE(option);
      const std::uint16_t port = co_await listen_on(primary, worker, "udp:[::]:0" + option);
      if (option.empty()) {
        const cohort::listening_event event = co_await listening.next();
        CHECK(event.type == cohort::address_type::udp6);
        CHECK(event.port == port);
      }
      CHECK(client_4.ask(port, "four") == "1 four");
      CHECK(client_4.sender == udp_at("127.0.0.1", port));
      CHECK(client_6.ask(port, "six") == "1 six");
      CHECK(client_6.sender == udp_at("::1", port));
    }
    co_await primary.end();
  });
}

TEST_CASE("dgram_reuse: a worker may bind a port twice when both sockets say so")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    for (cohort::worker& each : workers) {
      const std::uint16_t port = co_await listen_on(primary, each, any_port + " reuse_address");
      const std::string again =
          co_await primary.command(each, "listen " + at(port) + " reuse_address");
      CHECK(port_in(again) == port);
      const std::string plain = co_await primary.command(each, "listen " + at(port));
      CHECK(plain == address_in_use);
    }
    co_await primary.end();
  });
}

TEST_CASE("dgram_reuseport: sockets of their own on one port are not the primary's business")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().subscribe<cohort::listening_event>();
    const std::size_t before = count_descriptors();
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    const std::size_t with_workers = count_descriptors();
    CHECK(with_workers > before);
    const std::uint16_t port = co_await listen_on(primary, workers[0], any_port + " reuse_port");
    for (cohort::worker& each : workers) {
      const std::string again =
          co_await primary.command(each, "listen " + at(port) + " reuse_port");
      CHECK(port_in(again) == port);
    }
    CHECK(count_descriptors() == with_workers);
    // The first that the primary hears of is the next one.
    const std::uint16_t shared = co_await listen_on(primary, workers[1], any_port);
    const cohort::listening_event event = co_await listening.next();
    CHECK(event.port == shared);
    CHECK(event.worker == workers[1].id());
    co_await primary.end();
  });
}

TEST_CASE("disconnect_unshared_udp: a worker that is binding when it is to end, ends")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    for (cohort::worker& each : workers) {
      // The question is on its way when the drain begins, or comes after it.
      bool asked = false;
      asio::co_spawn(primary.context, primary.command(each, "listen " + any_port),
          [&](std::exception_ptr, const std::string&) { asked = true; });
      const cohort::exit_status status = co_await each.disconnect();
      CHECK(status.success());
      const auto is_answered = [&] { return asked; };
      const bool over = co_await primary.eventually(is_answered);
      CHECK(over);
    }
    co_await primary.end();
  });
}

TEST_CASE("dgram_bind_socket_close_before_cluster_reply: a cancelled bind ends as such, whatever "
          "the answer")
{
  cluster_fixture primary;
  foreign_socket other;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    const std::string refused = co_await primary.command(worker, "abandon " + at(other.port()));
    CHECK(refused == cancelled);
    // The answer came and was for nobody: the worker goes on.
    const std::uint16_t port = co_await listen_on(primary, worker, any_port);
    CHECK(datagram_client().ask(port, "x") == "1 x");
    co_await primary.end();
  });
}

TEST_CASE_TEMPLATE(
    "dgram_cluster_bind_error: a port in use is an error, and the worker binds elsewhere", Policy,
    cohort::round_robin, cohort::reuse_port)
{
  basic_cluster_fixture<Policy> primary;
  foreign_socket other;
  primary.run([&]() -> awaitable<void> {
    auto errors = primary.cluster().template subscribe<cohort::error_event>();
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    for (cohort::worker& each : workers) {
      const std::string refused = co_await primary.command(each, "listen " + at(other.port()));
      CHECK(refused == address_in_use);
      const cohort::error_event event = co_await errors.next();
      CHECK(event.what == "listen");
      CHECK(event.code == std::errc::address_in_use);
      const std::uint16_t port = co_await listen_on(primary, each, any_port);
      CHECK(port != other.port());
    }
    const std::uint16_t port = other.port();
    other.socket.close();
    const std::string freed = co_await primary.command(workers[0], "listen " + at(port));
    CHECK(port_in(freed) == port);
    co_await primary.end();
  });
}

TEST_CASE("dgram_cluster_close_during_bind: a socket that nobody waits for any more is closed, and "
          "nobody listens")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().subscribe<cohort::listening_event>();
    cohort::worker worker = co_await start_listener(primary);
    const std::string before = co_await primary.command(worker, "descriptors");
    const std::size_t own_before = count_descriptors();
    for (int i = 0; i != 5; ++i) {
      const std::string result = co_await primary.command(worker, "abandon " + any_port);
      CHECK(result == cancelled);
    }
    const bool as_before = co_await has_descriptors(primary, worker, before);
    CHECK(as_before);
    const auto has_own = [&] { return count_descriptors() == own_before; };
    const bool own_as_before = co_await primary.eventually(has_own);
    CHECK(own_as_before);
    const std::uint16_t port = co_await listen_on(primary, worker, any_port);
    const cohort::listening_event event = co_await listening.next();
    CHECK(event.port == port);
    co_await primary.end();
  });
}

TEST_CASE("dgram_cluster_close_in_listening: a socket may be closed as soon as it is bound")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().subscribe<cohort::listening_event>();
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 3);
    const std::size_t before = count_descriptors();
    for (cohort::worker& each : workers) {
      const std::string reply = co_await primary.command(each, "flash " + any_port);
      CHECK(port_in(reply) != 0);
      const cohort::listening_event event = co_await listening.next();
      CHECK(event.worker == each.id());
      CHECK(event.port == port_in(reply));
    }
    const auto has_closed = [&] { return count_descriptors() == before; };
    const bool as_before = co_await primary.eventually(has_closed);
    CHECK(as_before);
    co_await primary.end();
  });
}

TEST_CASE("dgram_exclusive_implicit_bind: any port is one for all workers, and another for each "
          "plain socket")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 3);
    std::set<std::uint16_t> shared;
    std::set<std::string> plain;
    for (cohort::worker& each : workers) {
      const std::uint16_t port = co_await listen_on(primary, each, any_port);
      shared.insert(port);
      const std::string own = co_await primary.command(each, "plain");
      plain.insert(own);
    }
    CHECK(shared.size() == 1);
    CHECK(plain.size() == 3);
    co_await primary.end();
  });
}

TEST_CASE("dgram_bind_shared_ports: a port is shared by all, and nobody has it for himself then")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    const std::uint16_t port = co_await listen_on(primary, workers[0], any_port);
    const std::string joined = co_await primary.command(workers[1], "listen " + at(port));
    CHECK(port_in(joined) == port);
    const std::string exclusive =
        co_await primary.command(workers[1], "listen " + at(port) + " exclusive");
    CHECK(exclusive == address_in_use);
    const std::uint16_t own = co_await listen_on(primary, workers[1], any_port + " exclusive");
    CHECK(own != port);
    CHECK(datagram_client().ask(own, "mine") == "2 mine");
    co_await primary.end();
  });
}

TEST_CASE(
    "with reuse_port each worker has a socket of its own, and one that dies takes nothing along")
{
  reuse_port_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 3);
    std::uint16_t port = 0;
    for (cohort::worker& each : workers) {
      const std::uint16_t bound = co_await listen_on(primary, each, any_port);
      CHECK((port == 0 || bound == port));
      port = bound;
    }
    // A sender always comes to the same worker; of many, some come to each.
    std::set<std::string> seen;
    std::vector<std::unique_ptr<datagram_client>> clients;
    while (clients.size() != 500 && seen.size() != 3) {
      clients.push_back(std::make_unique<datagram_client>());
      const std::string first = clients.back()->ask(port, "a");
      CHECK(clients.back()->ask(port, "a") == first);
      seen.insert(first);
    }
    CHECK(seen == std::set<std::string>{"1 a", "2 a", "3 a"});
    workers[1].kill(SIGKILL);
    co_await workers[1].exited();
    for (auto& each : clients) {
      const std::string answer = each->ask(port, "b");
      CHECK((answer == "1 b" || answer == "3 b"));
    }
    co_await primary.end();
  });
}

TEST_CASE("what comes to a held port while there is no worker waits for the next one")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker first = co_await start_listener(primary);
    const std::uint16_t port = co_await listen_on(primary, first, any_port + " hold");
    const cohort::exit_status status = co_await first.disconnect();
    CHECK(status.success());
    datagram_client client;
    client.send(port, "early");
    cohort::worker second = co_await start_listener(primary);
    co_await listen_on(primary, second, at(port));
    CHECK(client.receive() == "2 early");
    co_await primary.end();
  });
}

} // namespace node_datagrams
