// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/shared_datagrams.hpp>

#include "support/scratch.hpp"
#include "support/upgrade_channel.hpp"

#include <asio/ip/udp.hpp>
#include <doctest/doctest.h>

#include <system_error>
#include <utility>
#include <vector>

namespace shared_datagrams_test {

using namespace cohort::detail;
using asio::ip::udp;
using cohort::worker_id;

namespace {

struct datagrams_test {
  explicit datagrams_test(bool own_sockets) : shared(own_sockets) {}

  // What the worker is told; with an error its number is 0.
  listen_answer join(worker_id worker, std::uint16_t port = 0, std::uint16_t index = 0,
      std::uint8_t flags = 0, posix::unique_fd inherited = posix::unique_fd())
  {
    error.clear();
    wire::listen message;
    listen_key asked = listen_key::of(udp::endpoint(asio::ip::address_v4::loopback(), port), error);
    asked.index = index;
    if (inherited) {
      asked = listen_key(wire::listen_kind::inherited_datagram, posix::socket_address());
      asked.descriptor = 7;
    }
    asked.describe_to(message);
    message.flags |= flags;
    listen_answer answer;
    if (shared.join(worker, message, asked, next, std::move(inherited), answer, error)) ++next;
    CHECK((answer.listener == 0) == static_cast<bool>(error));
    CHECK(static_cast<bool>(answer.socket) == !error);
    return answer;
  }
  // Asks for what `inherited` was asked for in the process before this one.
  listen_answer join_passed(worker_id worker)
  {
    error.clear();
    wire::listen message;
    listen_key asked(wire::listen_kind::inherited_datagram, posix::socket_address());
    asked.descriptor = 7;
    asked.describe_to(message);
    listen_answer answer;
    if (shared.join(worker, message, asked, next, {}, answer, error)) ++next;
    REQUIRE_FALSE(error);
    return answer;
  }
  static std::uint16_t port_of(const listen_answer& answer)
  {
    std::error_code ignored;
    return posix::local_address(answer.socket.get(), ignored).port();
  }
  static bool same_socket(const listen_answer& a, const listen_answer& b)
  {
    struct stat x, y;
    REQUIRE(::fstat(a.socket.get(), &x) == 0);
    REQUIRE(::fstat(b.socket.get(), &y) == 0);
    return x.st_ino == y.st_ino;
  }
  // Whether somebody has the port.
  static bool is_bound(std::uint16_t port)
  {
    std::error_code ec;
    const auto key = listen_key::of(udp::endpoint(asio::ip::address_v4::loopback(), port), ec);
    posix::bind_datagram(key.address, posix::listen_settings(), ec);
    return ec == std::errc::address_in_use;
  }

  shared_datagrams shared;
  std::uint32_t next = 1;
  std::error_code error;
};

} // namespace

TEST_CASE("workers that ask for one address get one socket")
{
  datagrams_test test(false);
  const auto first = test.join(1), second = test.join(2);
  CHECK(first.how == wire::sharing::one_socket);
  CHECK(first.listener == 1);
  CHECK(second.listener == 1);
  CHECK(datagrams_test::same_socket(first, second));
  CHECK(first.place.datagram);
  CHECK(first.place.bound.port() == datagrams_test::port_of(first));
  // The port that came out of any port is another name, and so is the next index another socket.
  const auto third = test.join(3, datagrams_test::port_of(first));
  CHECK(datagrams_test::same_socket(first, third));
  const auto other = test.join(1, 0, 1);
  CHECK(other.listener == 2);
  CHECK_FALSE(datagrams_test::same_socket(first, other));
  CHECK(test.shared.size() == 2);
  CHECK(test.shared.joined(1) == 2);
  CHECK(test.shared.joined(2) == 1);
  CHECK(test.shared.joined(9) == 0);
}

TEST_CASE("one worker has an address once, unless it shares it with itself")
{
  datagrams_test test(false);
  const auto port = datagrams_test::port_of(test.join(1));
  test.join(1, port);
  CHECK(test.error == std::errc::address_in_use);
  // Not when the socket that is there says otherwise.
  test.join(1, port, 0, wire::listen_reuse_address);
  CHECK(test.error == std::errc::address_in_use);

  const auto first = test.join(1, 0, 1, wire::listen_reuse_address);
  const auto shared_port = datagrams_test::port_of(first);
  const auto second = test.join(1, shared_port, 0, wire::listen_reuse_address);
  CHECK_FALSE(datagrams_test::same_socket(first, second));
  // Another worker has the first one, then the second.
  CHECK(
      datagrams_test::same_socket(first, test.join(2, shared_port, 0, wire::listen_reuse_address)));
  CHECK(datagrams_test::same_socket(
      second, test.join(2, shared_port, 0, wire::listen_reuse_address)));
}

TEST_CASE("a socket closes with the last worker that has it")
{
  datagrams_test test(false);
  std::uint16_t port = 0;
  {
    const auto first = test.join(1);
    test.join(2);
    port = datagrams_test::port_of(first);
  }
  test.shared.left(1, 99, true);
  test.shared.left(1, 1, true);
  CHECK(datagrams_test::is_bound(port));
  // Twice, or who never had it: nothing.
  test.shared.left(1, 1, true);
  test.shared.gone(3, true);
  CHECK(test.shared.size() == 1);
  test.shared.gone(2, true);
  CHECK(test.shared.size() == 0);
  CHECK_FALSE(datagrams_test::is_bound(port));
}

TEST_CASE("a held one stays for the next worker, until nobody is held any more")
{
  for (const bool own_sockets : {false, true}) {
    datagrams_test test(own_sockets);
    const auto before = test.join(1, 0, 0, wire::listen_hold_when_empty);
    const auto port = datagrams_test::port_of(before);
    test.shared.gone(1, true);
    CHECK(test.shared.size() == 1);
    // What waits on it is there for the next one.
    const auto after = test.join(2, port);
    CHECK(datagrams_test::same_socket(before, after));
    test.shared.left(2, 1, true);
    CHECK(test.shared.size() == 1);
    test.shared.close_unused();
    CHECK(test.shared.size() == 0);
    test.join(1, 0, 0, wire::listen_hold_when_empty);
    test.shared.gone(1, false);
    CHECK(test.shared.size() == 0);
  }
}

TEST_CASE("with sockets of their own each worker has another one on the same port")
{
  datagrams_test test(true);
  const auto first = test.join(1), second = test.join(2);
  CHECK(first.how == wire::sharing::own_socket);
  CHECK(second.listener == first.listener);
  CHECK_FALSE(datagrams_test::same_socket(first, second));
  CHECK(datagrams_test::port_of(first) == datagrams_test::port_of(second));
}

TEST_CASE("an own socket is closed with its worker, and the next one has a new one")
{
  datagrams_test test(true);
  const auto first = test.join(1);
  const auto descriptors = cohort_test::count_descriptors();
  {
    const auto second = test.join(2);
    CHECK(cohort_test::count_descriptors() == descriptors + 2);
    test.shared.gone(2, true);
  }
  CHECK(cohort_test::count_descriptors() == descriptors);
  const auto third = test.join(3);
  CHECK(datagrams_test::port_of(third) == datagrams_test::port_of(first));
  test.shared.close();
  CHECK(test.shared.size() == 0);
}

TEST_CASE("sockets of their own are not shared with strangers")
{
  std::error_code ec;
  const auto any = listen_key::of(udp::endpoint(asio::ip::address_v4::loopback(), 0), ec);
  posix::listen_settings settings;
  settings.reuse_port = true;
  const auto stranger = posix::bind_datagram(any.address, settings, ec);
  REQUIRE(stranger);
  datagrams_test test(true);
  test.join(1, posix::local_address(stranger.get(), ec).port());
  CHECK(test.error == std::errc::address_in_use);
  CHECK(test.shared.size() == 0);
}

TEST_CASE("an inherited socket is one for all, whatever the policy wants")
{
  std::error_code ec;
  const auto any = listen_key::of(udp::endpoint(asio::ip::address_v4::loopback(), 0), ec);
  const auto own = posix::bind_datagram(any.address, posix::listen_settings(), ec);
  for (const bool own_sockets : {false, true}) {
    datagrams_test test(own_sockets);
    const auto first = test.join(1, 0, 0, 0, posix::duplicate(own.get(), ec));
    const auto second = test.join(2, 0, 0, 0, posix::duplicate(own.get(), ec));
    CHECK(first.how == wire::sharing::one_socket);
    CHECK(first.listener == second.listener);
    CHECK(datagrams_test::same_socket(first, second));
    CHECK(first.place.inherited_fd == 7);
    // By its address it is the same, under its other name.
    const auto third = test.join(3, datagrams_test::port_of(first));
    CHECK(third.listener == first.listener);
    CHECK(third.place.inherited_fd == -1);
    test.join(1, 0, 0, 0, posix::duplicate(own.get(), ec));
    CHECK(test.error == std::errc::address_in_use);
    for (const worker_id worker : {1U, 2U, 3U}) test.shared.gone(worker, true);
    CHECK(test.shared.size() == 0);
  }
  CHECK(datagrams_test::is_bound(posix::local_address(own.get(), ec).port()));
}

TEST_CASE("an address that is taken is an error, which leaves nothing behind")
{
  std::error_code ec;
  const auto any = listen_key::of(udp::endpoint(asio::ip::address_v4::loopback(), 0), ec);
  auto other = posix::bind_datagram(any.address, posix::listen_settings(), ec);
  const auto port = posix::local_address(other.get(), ec).port();
  datagrams_test test(false);
  const auto descriptors = cohort_test::count_descriptors();
  for (int i = 0; i != 2; ++i) {
    test.join(1, port);
    CHECK(test.error == std::errc::address_in_use);
  }
  CHECK(test.shared.size() == 0);
  CHECK(cohort_test::count_descriptors() == descriptors);
  other.reset();
  CHECK(datagrams_test::port_of(test.join(1, port)) == port);
}

TEST_CASE("a socket of the process before this one is gone on with, one of several")
{
  for (const bool own_sockets : {false, true}) {
    datagrams_test old(own_sockets);
    const auto first = old.join(1), second = old.join(2);
    const auto port = datagrams_test::port_of(first);
    std::vector<passed_listener> passed;
    old.shared.pass_to(passed, old.error);
    REQUIRE_FALSE(old.error);
    REQUIRE(passed.size() == 1);
    CHECK(passed[0].sockets.size() == (own_sockets ? 2 : 1));
    const cohort_test::replaced_program before(passed);
    datagrams_test test(own_sockets);
    const auto again = test.join(1), other = test.join(2);
    CHECK(datagrams_test::same_socket(again, first));
    CHECK(datagrams_test::port_of(other) == port);
    CHECK(datagrams_test::same_socket(again, other) == !own_sockets);
    CHECK(again.place.bound.port() == port);
  }
}

TEST_CASE("what another process may go on with stays open without members until that is known")
{
  for (const bool own_sockets : {false, true}) {
    datagrams_test test(own_sockets);
    const auto port = datagrams_test::port_of(test.join(1));
    std::vector<passed_listener> passed;
    test.shared.pass_to(passed, test.error);
    passed.clear();
    test.shared.gone(1, true);
    CHECK(test.shared.size() == 1);
    CHECK(datagrams_test::is_bound(port));
    CHECK(datagrams_test::port_of(test.join(2)) == port);
    test.shared.take_back(true);
    CHECK(test.shared.size() == 1);
    test.shared.gone(2, true);
    CHECK(test.shared.size() == 0);
    CHECK_FALSE(datagrams_test::is_bound(port));
  }
}

TEST_CASE("an inherited socket stays one for all workers in the process that goes on")
{
  std::error_code error;
  const auto where = listen_key::of(udp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  datagrams_test old(true);
  const auto first =
      old.join(1, 0, 0, 0, posix::bind_datagram(where.address, posix::listen_settings(), error));
  std::vector<passed_listener> passed;
  old.shared.pass_to(passed, error);
  REQUIRE_FALSE(error);
  REQUIRE(passed.size() == 1);
  const cohort_test::replaced_program before(passed);
  datagrams_test test(true);
  const auto again = test.join_passed(1), other = test.join_passed(2);
  CHECK(again.how == wire::sharing::one_socket);
  CHECK(datagrams_test::same_socket(again, first));
  CHECK(datagrams_test::same_socket(other, first));
}

} // namespace shared_datagrams_test
