// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Where workers listen: ports, aliases, errors, sockets of their own.

#include "support/conversation.hpp"
#include "support/ipv6.hpp"
#include "support/skip.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>

#include <set>

namespace listen_test {

using namespace cohort_test;
namespace posix = cohort::detail::posix;

namespace {

// The port in "ok 127.0.0.1:4711".
std::uint16_t port_of(const std::string& reply)
{
  return reply.starts_with("ok ")
             ? static_cast<std::uint16_t>(std::stoi(reply.substr(reply.rfind(':') + 1)))
             : std::uint16_t(0);
}

std::string at(std::uint16_t port) { return "listen 127.0.0.1:" + std::to_string(port); }

const std::string in_use = "error system Address already in use";

// A socket that listens in the test's own process.
struct foreign_listener {
  explicit foreign_listener(const posix::socket_address& where)
  {
    std::error_code error;
    socket = posix::listen_stream(where, posix::listen_settings(), error);
    REQUIRE_FALSE(error);
    bound = posix::local_address(socket.get(), error);
  }

  posix::unique_fd socket;
  posix::socket_address bound;
};

posix::socket_address any_port()
{
  std::error_code error;
  return posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
}

} // namespace

TEST_CASE("a port in use reaches every worker that waits for it, and a later listen works")
{
  cluster_fixture primary;
  foreign_listener other(any_port());
  primary.run([&]() -> awaitable<void> {
    const std::uint16_t port = other.bound.port();
    std::vector<cohort::worker> workers;
    while (workers.size() != 3) {
      cohort::worker worker = co_await primary.cluster().co_fork(primary.controlled(server("")));
      co_await worker.online();
      workers.push_back(worker);
    }
    auto errors = primary.cluster().subscribe<cohort::error_event>();
    for (cohort::worker& each : workers) {
      const std::string reply = co_await primary.command(each, at(port));
      CHECK(reply == in_use);
      const cohort::error_event event = co_await errors.next();
      CHECK(event.worker == each.id());
      CHECK(event.what == "listen");
      CHECK(event.code == std::errc::address_in_use);
    }
    other.socket.reset();
    for (cohort::worker& each : workers) {
      const std::string reply = co_await primary.command(each, at(port));
      CHECK(port_of(reply) == port);
    }
    const answer served = co_await ask_at(primary, address::tcp4(port));
    CHECK(served.result == outcome::ok);
    co_await primary.end();
  });
}

TEST_CASE("two listens of one worker on the same port do not agree")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server()));
    const cohort::listening_event event = co_await worker.listening();
    const std::string twice = co_await primary.command(worker, at(event.port));
    CHECK(twice == in_use);
    // Closed, it can be listened on again.
    co_await primary.command(worker, "close 0");
    const std::string again = co_await primary.command(worker, at(event.port));
    CHECK(port_of(again) == event.port);
    const answer served = co_await ask_at(primary, address::tcp4(event.port));
    CHECK(served.result == outcome::ok);
    co_await primary.end();
  });
}

TEST_CASE("the n-th listen on port 0 of all workers shares one port")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<std::set<std::uint16_t>> ports(2);
    std::vector<cohort::worker> workers;
    for (int i = 0; i != 3; ++i) {
      cohort::worker worker = co_await primary.start(primary.controlled(server()));
      const cohort::listening_event event = co_await worker.listening();
      ports[0].insert(event.port);
      const std::string second = co_await primary.command(worker, at(0));
      ports[1].insert(port_of(second));
      workers.push_back(worker);
    }
    REQUIRE(ports[0].size() == 1);
    REQUIRE(ports[1].size() == 1);
    CHECK(*ports[0].begin() != 0);
    CHECK(*ports[1].begin() != 0);
    CHECK(*ports[0].begin() != *ports[1].begin());
    // Both serve, and after the close of one the other goes on.
    for (const auto& each : ports) {
      const answer served = co_await ask_at(primary, address::tcp4(*each.begin()));
      CHECK(served.result == outcome::ok);
    }
    for (cohort::worker& each : workers) co_await primary.command(each, "close 0");
    const auto closed = [&] {
      return ask(address::tcp4(*ports[0].begin())).result == outcome::refused;
    };
    const bool closed_at_last = co_await primary.eventually(closed);
    CHECK(closed_at_last);
    const answer served = co_await ask_at(primary, address::tcp4(*ports[1].begin()));
    CHECK(served.result == outcome::ok);
    co_await primary.end();
  });
}

TEST_CASE("the port that came out of port 0 is another name of that listener")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker first = co_await primary.start();
    const address where = co_await primary.address_of(first);
    const cohort::listening_event event = co_await first.listening();
    cohort::worker second =
        co_await primary.start(server("127.0.0.1:" + std::to_string(event.port)));
    std::set<cohort::worker_id> seen;
    auto clients = [&] {
      for (int i = 0; i != 100 && seen.size() != 2; ++i) seen.insert(ask(where).worker);
    };
    co_await primary.in_thread(clients);
    CHECK(seen == std::set<cohort::worker_id>{1, 2});
    co_await primary.end();
  });
}

TEST_CASE("a worker may listen and close as often as it likes")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server()));
    const std::size_t before = count_descriptors();
    for (int i = 0; i != 50; ++i) {
      const std::string reply = co_await primary.command(worker, at(0));
      REQUIRE(port_of(reply) != 0);
      co_await primary.command(worker, "close " + std::to_string(i + 1));
    }
    const auto as_before = [&] { return count_descriptors() == before; };
    const bool as_before_at_last = co_await primary.eventually(as_before);
    CHECK(as_before_at_last);
    co_await primary.end();
  });
}

TEST_CASE("a held listener without workers does not keep the primary, and serves the next one")
{
  cluster_fixture primary;
  address where = address::tcp4(1);
  const cohort::environment variables = server("127.0.0.1:0 hold");
  // `run` asks for a context without work.
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(variables);
    where = co_await primary.address_of(worker);
    const answer served = co_await ask_at(primary, where);
    CHECK(served.result == outcome::ok);
    worker.kill(SIGKILL);
    co_await worker.exited();
  });
  client early(where);
  CHECK(early.request("get") == outcome::ok);
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(variables);
    std::vector<answer> answers;
    auto receive = [&] { answers.push_back(early.receive_answer()); };
    co_await primary.in_thread(receive);
    CHECK(summary(answers) == "1 ok");
    CHECK(answers.front().worker == worker.id());
    const answer served = co_await ask_at(primary, where);
    CHECK(served.worker == worker.id());
    co_await primary.end();
  });
  CHECK(ask(where).result == outcome::refused);
}

TEST_CASE("workers listen on IPv6, with and without IPv4")
{
  if (!has_ipv6()) return skip(no_ipv6);
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server("[::]:0")));
    const cohort::listening_event event = co_await worker.listening();
    CHECK(event.type == cohort::address_type::tcp6);
    CHECK(event.address == "::");
    const std::string only = co_await primary.command(worker, "listen [::]:0 ipv6_only");
    const std::uint16_t port = port_of(only);
    for (const address& where :
        {address::tcp6(event.port), address::tcp4(event.port), address::tcp6(port)}) {
      const answer served = co_await ask_at(primary, where);
      CHECK(served.result == outcome::ok);
    }
    CHECK(ask(address::tcp4(port)).result == outcome::refused);
    co_await primary.end();
  });
}

TEST_CASE("a privileged address is refused to the worker, which goes on")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server()));
    // No interface has it.
    const std::string reply = co_await primary.command(worker, "listen 192.0.2.1:0");
    CHECK(reply == "error system Cannot assign requested address");
    const address where = co_await primary.address_of(worker);
    const answer served = co_await ask_at(primary, where);
    CHECK(served.result == outcome::ok);
    co_await primary.end();
  });
}

TEST_CASE("an exclusive listener is the worker's own and ends with its drain")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker first = co_await primary.start(primary.controlled(server()));
    cohort::worker second = co_await primary.start(primary.controlled(server()));
    const std::string own = co_await primary.command(first, "listen 127.0.0.1:0 exclusive");
    const std::uint16_t port = port_of(own);
    REQUIRE(port != 0);
    // The primary knows nothing of it.
    const std::string conflict = co_await primary.command(second, at(port));
    CHECK(conflict == in_use);
    for (int i = 0; i != 4; ++i) {
      const answer served = co_await ask_at(primary, address::tcp4(port));
      CHECK(served.worker == first.id());
    }
    CHECK(primary.cluster().counters().accepted == 0);
    const cohort::exit_status status = co_await first.disconnect();
    CHECK(status.success());
    CHECK(ask(address::tcp4(port)).result == outcome::refused);
    co_await primary.end();
  });
}

} // namespace listen_test
