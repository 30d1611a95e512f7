// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Listening on sockets that somebody else has made. Names begin with those of Node's tests of its
// cluster.

#include "support/conversation.hpp"
#include "support/listener_worker.hpp"

#include <cohort/handle.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/subscription.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <boost/json/value.hpp>
#include <doctest/doctest.h>

#include <fcntl.h>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

namespace node_adopt {

using namespace cohort_test;
using asio::ip::tcp;
using local = asio::local::stream_protocol;

namespace {

const tcp::endpoint any_port(asio::ip::address_v4::loopback(), 0);

template <class Socket>
std::string fd_of(Socket& socket)
{
  return "fd:" + std::to_string(socket.native_handle());
}

// What several clients are answered, each by somebody.
template <class Fixture>
awaitable<std::set<cohort::worker_id>> who_serves(Fixture& primary, address where)
{
  std::set<cohort::worker_id> seen;
  auto clients = [&] {
    for (int i = 0; i != 20; ++i) {
      const answer got = ask(where);
      CHECK(got.result == outcome::ok);
      seen.insert(got.worker);
    }
  };
  co_await primary.in_thread(clients);
  co_return seen;
}

} // namespace

TEST_CASE_TEMPLATE("listen_fd_cluster: workers listen on a descriptor of the primary", Policy,
    cohort::round_robin, cohort::shared, cohort::reuse_port)
{
  basic_cluster_fixture<Policy> primary;
  asio::io_context idle(1);
  // Asio's sockets are not CLOEXEC.
  tcp::acceptor inherited(idle, any_port);
  const auto where = address::tcp4(inherited.local_endpoint().port());
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().template subscribe<cohort::listening_event>();
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    const std::size_t before = count_descriptors();
    for (cohort::worker& each : workers) {
      const std::uint16_t port = co_await listen_on(primary, each, fd_of(inherited));
      CHECK(port == inherited.local_endpoint().port());
      const cohort::listening_event event = co_await listening.next();
      CHECK(event.worker == each.id());
      CHECK(event.inherited_fd == inherited.native_handle());
      CHECK(event.type == cohort::address_type::tcp4);
      CHECK(event.port == port);
      const std::string twice = co_await primary.command(each, "listen " + fd_of(inherited));
      CHECK(twice == address_in_use);
    }
    const std::set<cohort::worker_id> seen = co_await who_serves(primary, where);
    CHECK(!seen.empty());
    for (cohort::worker& each : workers) co_await primary.command(each, "close 0");
    const auto as_before = [&] { return count_descriptors() == before; };
    const bool closed = co_await primary.eventually(as_before);
    CHECK(closed);
    co_await primary.end();
  });
  // It is the primary's still, and listens.
  tcp::socket client(idle);
  client.connect(inherited.local_endpoint());
  CHECK(inherited.accept().is_open());
}

TEST_CASE("a worker gets no other descriptor of the primary than those that are meant for it")
{
  cluster_fixture primary;
  asio::io_context idle(1);
  tcp::acceptor own(idle, any_port);
  REQUIRE(::fcntl(own.native_handle(), F_SETFD, FD_CLOEXEC) == 0);
  tcp::acceptor bound(idle);
  bound.open(tcp::v4());
  bound.bind(any_port);
  asio::ip::udp::socket datagrams(
      idle, asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0));
  const cohort::detail::posix::unique_fd file(::open("/dev/null", O_RDONLY));
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().subscribe<cohort::listening_event>();
    cohort::worker worker = co_await start_listener(primary);
    const std::string wrong =
        "error cohort " + std::error_code(cohort::error::wrong_handle).message();
    const std::vector<std::vector<std::string>> refused = {
        {fd_of(own), "error system Permission denied"},
        {"fd:60000", "error system Bad file descriptor"},
        {"udp:fd:60000", "error system Bad file descriptor"},
        {fd_of(bound), wrong},
        {fd_of(datagrams), wrong},
        {"fd:" + std::to_string(file.get()), wrong},
        {"udp:" + fd_of(bound), wrong},
    };
    for (const auto& each : refused) {
      CAPTURE(each.front());
      const std::string result = co_await primary.command(worker, "listen " + each.front());
      CHECK(result == each.back());
    }
    // Of TCP to who wants Unix sockets: it is left again, and nobody listens.
    primary.cluster().allow_inherited(own.native_handle());
    const std::string unfit = co_await primary.command(worker, "listen unix" + fd_of(own));
    CHECK(unfit == wrong);
    // What the program has named is had.
    const std::uint16_t port = co_await listen_on(primary, worker, fd_of(own));
    CHECK(port == own.local_endpoint().port());
    const cohort::listening_event event = co_await listening.next();
    CHECK(event.inherited_fd == own.native_handle());
    const answer served = co_await ask_at(primary, address::tcp4(port));
    CHECK(served.result == outcome::ok);
    co_await primary.end();
  });
}

TEST_CASE("the path of an inherited unix socket stays")
{
  cluster_fixture primary;
  asio::io_context idle(1);
  const std::string path = primary.scratch.file("inherited.sock");
  local::acceptor inherited(idle, local::endpoint(path));
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    const std::string spec = "listen unix" + fd_of(inherited);
    const std::string first = co_await primary.command(workers[0], spec);
    CHECK(first == "ok " + path);
    // By its path it is the same one.
    const std::string second = co_await primary.command(workers[1], "listen unix:" + path);
    CHECK(second == "ok " + path);
    const std::set<cohort::worker_id> seen = co_await who_serves(primary, address::local(path));
    CHECK(seen == std::set<cohort::worker_id>{1, 2});
    co_await primary.end();
  });
  CHECK(::access(path.c_str(), F_OK) == 0);
}

TEST_CASE("net_listen_handle_in_cluster_1: a worker adopts the acceptor that the primary sends")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    tcp::acceptor sent(primary.context, any_port);
    const auto where = address::tcp4(sent.local_endpoint().port());
    worker.send(boost::json::value("server"), cohort::handle(std::move(sent)));
    const std::string adopted = co_await primary.command(worker, "adopt");
    CHECK(port_in(adopted) != 0);
    for (int i = 0; i != 3; ++i) {
      const answer served = co_await ask_at(primary, where);
      CHECK(served.worker == worker.id());
    }
    // It ends with the drain.
    const cohort::exit_status status = co_await worker.disconnect();
    CHECK(status.success());
    CHECK(ask(where).result == outcome::refused);
    co_await primary.end();
  });
}

TEST_CASE("net_listen_handle_in_cluster_2: of what a worker adopts the primary knows nothing")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto listening = primary.cluster().subscribe<cohort::listening_event>();
    std::vector<cohort::worker> workers = co_await start_listeners(primary, 2);
    tcp::acceptor sent(primary.context, any_port);
    const auto where = address::tcp4(sent.local_endpoint().port());
    // Both have the one socket.
    for (cohort::worker& each : workers) {
      each.send(boost::json::value("server"), cohort::handle::duplicate_of(sent));
      const std::string adopted = co_await primary.command(each, "adopt");
      CHECK(port_in(adopted) != 0);
    }
    sent.close();
    const answer served = co_await ask_at(primary, where);
    CHECK(served.result == outcome::ok);
    CHECK(primary.cluster().counters().accepted == 0);
    const std::uint16_t port = co_await listen_on(primary, workers[0], "127.0.0.1:0");
    const cohort::listening_event event = co_await listening.next();
    CHECK(event.port == port);
    co_await primary.end();
  });
}

} // namespace node_adopt
