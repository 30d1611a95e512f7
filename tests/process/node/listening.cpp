// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// How workers listen through their primary, and what becomes of it when they cannot, after the
// tests of Node's cluster: each test case begins with the name of Node's file, as docs/node.md
// lists them. Sockets of their own are in own_sockets.cpp, what they accept in arrivals.cpp.

#include "support/conversation.hpp"
#include "support/ending_workers.hpp"
#include "support/kept_port.hpp"
#include "support/listener_worker.hpp"
#include "support/role_program.hpp"
#include "support/skip.hpp"

#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/subscription.hpp>

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace node_listening {

using namespace cohort_test;
using asio::ip::tcp;
using any_fixture = basic_cluster_fixture<cohort::any_policy>;
namespace posix = cohort::detail::posix;

namespace {

const std::string any_port = "127.0.0.1:0";

// Whether a process without rights, whatever this one has, may listen on port 42.
bool is_privileged_port()
{
  int first = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first;
  if (first <= 42) return false;
  if (::geteuid() == 0) return true;
  asio::io_context context(1);
  tcp::acceptor probe(context, tcp::v4());
  std::error_code error;
  probe.bind(tcp::endpoint(asio::ip::address_v4::loopback(), 42), error);
  return error == std::errc::permission_denied;
}

void expect_no_privileged_port(const std::string& policy)
{
  if (!is_privileged_port()) return skip("port 42 is everybody's");
  role_program primary("listening_unprivileged", "COHORT_SCHEDULING_POLICY=" + policy);
  CHECK(primary.line() == "worker: Permission denied");
  CHECK(primary.line() == "primary: listen: Permission denied");
  CHECK(primary.line() == "worker: said");
  CHECK(primary.line() == "exited with code 0");
  CHECK(primary.wait() == 0);
  CHECK(primary.errors().empty());
}

// How many connections may wait at the socket of this process that listens on the port.
std::optional<unsigned> backlog_of(std::uint16_t port)
{
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int descriptor = std::stoi(each.path().filename().string());
    int listens = 0;
    socklen_t size = sizeof listens;
    ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    std::error_code error;
    if (!listens || posix::local_address(descriptor, error).port() != port) continue;
    tcp_info info{};
    size = sizeof info;
    if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) return info.tcpi_sacked;
  }
  return std::nullopt;
}

} // namespace

TEST_CASE("bind_privileged_port: a port that takes rights is an error of the worker that goes on")
{
  expect_no_privileged_port("rr");
}

TEST_CASE("shared_handle_bind_privileged_port: with a shared socket as well")
{
  expect_no_privileged_port("none");
}

TEST_CASE("bind_twice: what a worker of one cluster listens on, one of another cannot have")
{
  cluster_fixture primary;
  cohort::cluster<> other(primary.context);
  primary.run([&]() -> awaitable<void> {
    cohort::worker first = co_await primary.start();
    const cohort::listening_event event = co_await first.listening();
    auto errors = other.subscribe<cohort::error_event>();
    cohort::worker second = co_await other.co_fork(ending());
    co_await heard(second);
    tell(second, "listen_at " + std::to_string(event.port));
    const std::string refused = co_await heard(second);
    CHECK(refused == std::make_error_code(std::errc::address_in_use).message());
    const cohort::error_event error = co_await errors.next();
    CHECK(error.what == "listen");
    CHECK(error.code == std::errc::address_in_use);
    const std::vector<cohort::exit_event> exits = co_await other.disconnect();
    REQUIRE(exits.size() == 1);
    CHECK(exits.front().status == well);
    const answer served = co_await ask_at(primary, address::tcp4(event.port));
    CHECK(served.pid == first.pid());
    co_await primary.end();
  });
}

TEST_CASE("eaddrinuse: a port that was taken can be listened on when it is free")
{
  for (const bool own_sockets : {false, true}) {
    CAPTURE(own_sockets);
    kept_port port;
    port.take();
    any_fixture primary(cohort::settings(), own_sockets ? cohort::any_policy(cohort::reuse_port())
                                                        : cohort::any_policy(cohort::shared()));
    primary.run([&]() -> awaitable<void> {
      cohort::worker worker = co_await start_listener(primary);
      const std::string taken = co_await primary.command(worker, "listen " + port.text());
      CHECK(taken == address_in_use);
      port.free();
      const std::string freed = co_await primary.command(worker, "listen " + port.text());
      CHECK(freed == "ok " + port.text());
      answer served;
      auto client = [&] { served = ask(address::tcp4(port.number())); };
      co_await primary.in_thread(client);
      CHECK(served.worker == worker.id());
      co_await primary.end();
    });
  }
}

TEST_CASE("shared_handle_bind_error: a taken port is an error of the worker, which ends well")
{
  kept_port port;
  port.take();
  const cohort::any_policy shared = cohort::shared();
  any_fixture primary(cohort::settings(), shared);
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await begin(primary);
    tell(worker, "listen_at " + std::to_string(port.number()));
    const std::string refused = co_await heard(worker);
    CHECK(refused == std::make_error_code(std::errc::address_in_use).message());
    tell(worker, "close_channel");
    co_await ends(worker, well, false);
  });
}

TEST_CASE("listening_port: who listens on port 0 is told the port, and so is the primary")
{
  for (const cohort::any_policy& policy : {cohort::any_policy(),
           cohort::any_policy(cohort::shared()), cohort::any_policy(cohort::reuse_port())}) {
    any_fixture primary(cohort::settings(), policy);
    primary.run([&]() -> awaitable<void> {
      auto events = primary.cluster().subscribe<cohort::listening_event>();
      cohort::worker worker = co_await start_listener(primary);
      const std::uint16_t port = co_await listen_on(primary, worker, any_port);
      CHECK(port != 0);
      const cohort::listening_event event = co_await events.next();
      CHECK(event.worker == worker.id());
      CHECK(event.port == port);
      worker.kill();
      co_await ends(worker, cohort::exit_status::signalled(SIGTERM), false);
    });
  }
}

TEST_CASE("net_listen: without a port or host it is any port, on every address")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    const std::uint16_t port = co_await listen_on(primary, worker, "any:0");
    CHECK(port != 0);
    const cohort::listening_event event = co_await worker.listening();
    CHECK(event.port == port);
    CHECK(event.address == (event.type == cohort::address_type::tcp6 ? "::" : "0.0.0.0"));
    const answer served = co_await ask_at(primary, address::tcp4(port));
    CHECK(served.worker == worker.id());
    const cohort::exit_status status = co_await worker.disconnect();
    CHECK(status == well);
  });
}

TEST_CASE("net_listen_backlog: the first worker says how many connections may wait")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    const std::uint16_t port = co_await listen_on(primary, workers[0], any_port + " backlog=37");
    CHECK(backlog_of(port) == 37);
    const std::string where = "127.0.0.1:" + std::to_string(port);
    co_await listen_on(primary, workers[1], where + " backlog=5");
    CHECK(backlog_of(port) == 37);
    co_await primary.end();
    CHECK(backlog_of(port) == std::nullopt);
  });
}

TEST_CASE("net_listen_twice: of two listens that are under way one listens, and is told of")
{
  const kept_port port;
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto events = primary.cluster().subscribe<cohort::listening_event>();
    cohort::worker worker = co_await start_listener(primary);
    const std::string both =
        co_await primary.command(worker, "listen " + port.text() + " & " + port.text());
    CHECK(both == "ok " + port.text() + " & " + address_in_use);
    const answer served = co_await ask_at(primary, address::tcp4(port.number()));
    CHECK(served.worker == worker.id());
    // The first that the primary hears of it, and the next is of another one.
    const std::uint16_t other = co_await listen_on(primary, worker, any_port);
    for (const std::uint16_t expected : {port.number(), other}) {
      const cohort::listening_event event = co_await events.next();
      CHECK(event.port == expected);
    }
    co_await primary.end();
  });
}

} // namespace node_listening
