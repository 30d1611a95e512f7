// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/listening_endpoint.hpp>

#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include "support/deep_directory.hpp"
#include "support/scratch.hpp"
#include "support/skip.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>
#include <doctest/doctest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

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
static_assert(can_listen<cohort::unix_path>);
static_assert(!can_listen<int>);
static_assert(!can_listen<asio::ip::udp::endpoint>);

template <class Place>
concept can_bind = requires(cohort::this_worker& self, const Place& place)
{
  self.bind(place, listen_options());
};
static_assert(can_bind<asio::ip::udp::endpoint>);
static_assert(can_bind<cohort::inherited_fd>);
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

TEST_CASE("alone a path of any length is listened on, and removed at the end")
{
  const cohort_test::deep_directory deep;
  const std::string path = deep.file("x.sock");
  alone test;
  {
    auto acceptor = test.listen(cohort::unix_path(path), listen_options().mode(0640));
    REQUIRE_MESSAGE(!test.result, test.result.message());
    CHECK(acceptor.path() == path);
    CHECK(acceptor.local_endpoint() == local::endpoint());
    CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms(0640));
    local::socket client(test.context);
    client.connect(local::endpoint(deep.short_file("x.sock")));
    bool taken = false;
    acceptor.async_accept(
        [&](std::error_code error, cohort::connection<local>) { taken = !error; });
    test.context.restart();
    test.context.poll();
    CHECK(taken);
    test.listen(cohort::unix_path(path));
    CHECK(test.result == std::errc::address_in_use);
  }
  CHECK_FALSE(std::filesystem::exists(path));
  test.listen(cohort::unix_path(deep.file(std::string(86, 'n'))));
  CHECK(test.result == std::errc::filename_too_long);
  test.listen(cohort::unix_path(""));
  CHECK(test.result == std::errc::invalid_argument);
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

TEST_CASE("a listening or a bound socket is adopted, and closes with its acceptor")
{
  alone test;
  for (const bool listens : {true, false}) {
    tcp::acceptor made(test.context);
    made.open(tcp::v4());
    made.bind(tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    if (listens) made.listen();
    const tcp::endpoint where = made.local_endpoint();
    cohort::handle sent(std::move(made));
    {
      const auto adopted = test.self.adopt<tcp>(std::move(sent));
      CHECK_FALSE(sent);
      CHECK(adopted.is_open());
      CHECK(adopted.local_endpoint() == where);
      tcp::socket client(test.context);
      client.connect(where);
    }
    std::error_code error;
    tcp::socket late(test.context);
    late.connect(where, error);
    CHECK(error == asio::error::connection_refused);
  }
}

TEST_CASE("what is not adopted stays as it was")
{
  alone test;
  std::error_code error;
  const auto refuse = [&](cohort::handle& from) {
    const int descriptor = from.native_handle();
    const auto none = test.self.adopt<tcp>(std::move(from), listen_options(), error);
    CHECK_FALSE(none.is_open());
    CHECK(from.native_handle() == descriptor);
  };
  cohort::handle nothing;
  refuse(nothing);
  CHECK(error == std::errc::bad_file_descriptor);
  cohort::handle unbound(tcp::socket(test.context, tcp::v4()));
  refuse(unbound);
  CHECK(error == cohort::error::wrong_handle);
  cohort_test::scratch_directory folder;
  local::socket path(test.context);
  path.open();
  path.bind(local::endpoint(folder.file("s")));
  cohort::handle wrong(std::move(path));
  refuse(wrong);
  CHECK(error == cohort::error::wrong_handle);
  CHECK_THROWS_AS(test.self.adopt<tcp>(std::move(wrong)), std::system_error);
  // It did not begin to listen.
  CHECK(wrong.duplicate().kind() == cohort::handle_kind::unix_stream);
  const auto adopted = test.self.adopt<local>(std::move(wrong));
  CHECK(adopted.is_open());
  test.self.disconnect([](std::error_code) {});
  test.context.poll();
  cohort::handle late(tcp::acceptor(test.context, tcp::endpoint(tcp::v4(), 0)));
  refuse(late);
  CHECK(error == cohort::error::draining);
}

TEST_CASE("alone a descriptor is one of this process")
{
  alone test;
  tcp::acceptor made(test.context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const cohort::inherited_fd from(made.native_handle());
  std::optional<cohort::acceptor<tcp>> acceptor;
  const auto poll = [&] {
    test.context.restart();
    test.context.poll();
  };
  test.self.listen<tcp>(from, [&](std::error_code error, cohort::acceptor<tcp> result) {
    test.result = error;
    acceptor.emplace(std::move(result));
  });
  poll();
  REQUIRE(acceptor);
  CHECK_FALSE(test.result);
  CHECK(acceptor->local_endpoint() == made.local_endpoint());
  CHECK(made.is_open());
  test.self.listen<local>(from, [&](std::error_code error, const auto&) { test.result = error; });
  poll();
  CHECK(test.result == cohort::error::wrong_handle);
  asio::ip::udp::socket datagrams(test.context, asio::ip::udp::endpoint(asio::ip::udp::v4(), 0));
  bool bound = false;
  test.self.bind(cohort::inherited_fd(datagrams.native_handle()),
      [&](std::error_code, const auto& socket) { bound = socket.is_open(); });
  poll();
  CHECK(bound);
}

TEST_CASE("alone a worker has the data that it gives, in a coroutine as well")
{
  alone test;
  std::vector<std::string> seen;
  const auto listen = [](cohort::this_worker& self,
                          std::vector<std::string>& data) -> asio::awaitable<void> {
    const tcp::endpoint stream(asio::ip::address_v4::loopback(), 0);
    const asio::ip::udp::endpoint datagram(asio::ip::address_v4::loopback(), 0);
    // Longer than what a string holds in itself.
    const std::string keys(100, 'k');
    const auto acceptor = co_await self.listen(stream, listen_options().shared_data(keys));
    data.push_back(acceptor.shared_data());
    const auto socket = co_await self.bind(datagram, listen_options().shared_data(keys));
    data.push_back(socket.shared_data());
  };
  asio::co_spawn(test.context, listen(test.self, seen), asio::detached);
  test.context.poll();
  CHECK(seen == std::vector<std::string>(2, std::string(100, 'k')));
  CHECK(cohort::acceptor<tcp>(test.context.get_executor()).shared_data().empty());
}

TEST_CASE("a path that cannot be is an error, and no acceptor")
{
  alone test;
  const auto acceptor = test.listen(local::endpoint(""));
  CHECK(test.result == std::errc::invalid_argument);
  CHECK_FALSE(acceptor.is_open());
}

} // namespace listening_endpoint_test
