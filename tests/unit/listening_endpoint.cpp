// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/listening_endpoint.hpp>

#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include "support/scratch.hpp"
#include "support/skip.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>
#include <doctest/doctest.h>

#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace listening_endpoint_test {

using asio::ip::tcp;
using cohort::listen_options;
using local = asio::local::stream_protocol;

namespace {

static_assert(std::is_base_of_v<cohort::listening_endpoint<>, cohort::this_worker>);
static_assert(!std::is_copy_constructible_v<cohort::listening_endpoint<>>);

template <class Place>
concept can_listen = requires(cohort::this_worker& self, const Place& place)
{
  self.listen(place, listen_options());
};
static_assert(can_listen<tcp::endpoint>);
static_assert(can_listen<cohort::any_host>);
static_assert(can_listen<local::endpoint>);
static_assert(!can_listen<int>);
static_assert(!can_listen<asio::ip::udp::endpoint>);

template <class Place>
concept can_bind = requires(cohort::this_worker& self, const Place& place)
{
  self.bind(place, listen_options());
};
static_assert(can_bind<asio::ip::udp::endpoint>);
static_assert(!can_bind<tcp::endpoint>);

struct alone {
  asio::io_context context{1};
  cohort::this_worker self{context, cohort::standalone};
  std::error_code result;

  // The acceptor, or its error in `result`.
  template <class Place>
  auto listen(const Place& place, const listen_options& options = listen_options())
  {
    using protocol = typename cohort::detail::listening_protocol<Place>::type;
    std::optional<cohort::acceptor<protocol>> made;
    self.listen(place, options, [&](std::error_code error, cohort::acceptor<protocol> acceptor) {
      result = error;
      made = std::move(acceptor);
    });
    context.restart();
    context.poll();
    REQUIRE(made);
    return std::move(*made);
  }
};

} // namespace

TEST_CASE("every address of the machine is listened on by one socket")
{
  alone test;
  const auto acceptor = test.listen(cohort::any_host());
  REQUIRE_FALSE(test.result);
  const auto bound = acceptor.local_endpoint();
  CHECK(bound.address().is_unspecified());
  tcp::socket client(test.context);
  client.connect(tcp::endpoint(asio::ip::address_v4::loopback(), bound.port()));
  // It is taken as a whole.
  test.listen(cohort::any_host(bound.port()));
  CHECK(test.result == std::errc::address_in_use);
}

TEST_CASE("several sockets have one port when each of them says so")
{
  alone test;
  const auto options = listen_options().reuse_port(true);
  const auto first = test.listen(tcp::endpoint(asio::ip::address_v4::loopback(), 0), options);
  REQUIRE_FALSE(test.result);
  const auto second = test.listen(first.local_endpoint(), options);
  CHECK_FALSE(test.result);
  CHECK(second.local_endpoint() == first.local_endpoint());
  test.listen(first.local_endpoint());
  CHECK(test.result == std::errc::address_in_use);
}

TEST_CASE("an IPv6 address alone leaves the port of IPv4 to others")
{
  alone test;
  const auto six =
      test.listen(tcp::endpoint(asio::ip::address_v6::any(), 0), listen_options().ipv6_only(true));
  if (test.result) return cohort_test::skip("no IPv6");
  const auto port = six.local_endpoint().port();
  const auto four = test.listen(tcp::endpoint(asio::ip::address_v4::any(), port));
  CHECK_FALSE(test.result);
  CHECK(four.local_endpoint().port() == port);
}

TEST_CASE("a worker binds for datagrams, and its drain closes the socket")
{
  using asio::ip::udp;
  alone test;
  const udp::endpoint any(asio::ip::address_v4::loopback(), 0);
  std::optional<cohort::bound_socket<udp>> bound;
  const auto note = [&](std::error_code error, cohort::bound_socket<udp> made) {
    test.result = error;
    bound.emplace(std::move(made));
  };
  const auto poll = [&] {
    test.context.restart();
    test.context.poll();
  };
  test.self.bind(any, note);
  CHECK_FALSE(bound);
  poll();
  REQUIRE(bound);
  CHECK(bound->is_open());
  const udp::endpoint where = bound->local_endpoint();
  const auto first = std::move(*bound);
  test.self.bind(where, listen_options(), note);
  poll();
  CHECK(test.result == std::errc::address_in_use);
  CHECK_FALSE(bound->is_open());
  bool left = false;
  test.self.disconnect([&](std::error_code error) { left = !error; });
  poll();
  CHECK(left);
  CHECK_FALSE(first.is_open());
  test.self.bind(any, note);
  poll();
  CHECK(test.result == cohort::error::draining);
}

TEST_CASE("a path that cannot be is an error, and no acceptor")
{
  alone test;
  const auto acceptor = test.listen(local::endpoint(""));
  CHECK(test.result == std::errc::invalid_argument);
  CHECK_FALSE(acceptor.is_open());
}

} // namespace listening_endpoint_test
