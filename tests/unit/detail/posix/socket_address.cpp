// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/socket_address.hpp>

#include <doctest/doctest.h>

#include <asio/generic/stream_protocol.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <map>
#include <ostream>
#include <unordered_map>
#include <vector>

namespace socket_address_test {

using asio::ip::tcp;
using cohort::detail::posix::socket_address;
using local = asio::local::stream_protocol;

namespace {

template <class Address>
std::vector<std::byte> bytes_of(const Address& address, std::size_t size = sizeof(Address))
{
  const auto* first = reinterpret_cast<const std::byte*>(&address);
  return {first, first + size};
}

socket_address tcp_address(const char* host, std::uint16_t port)
{
  std::error_code ec;
  const auto result =
      socket_address::from_endpoint(tcp::endpoint(asio::ip::make_address(host), port), ec);
  REQUIRE(!ec);
  return result;
}

socket_address path_address(std::string_view path)
{
  std::error_code ec;
  const auto result = socket_address::from_path(path, ec);
  REQUIRE(!ec);
  return result;
}

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

} // namespace

TEST_CASE("an empty address is no address")
{
  const socket_address none;
  CHECK(none.empty());
  CHECK(none.family() == AF_UNSPEC);
  CHECK(none.port() == 0);
  CHECK(none.path().empty());
  CHECK(none.to_string() == "no address");
  CHECK(none.to_endpoint<tcp::endpoint>() == tcp::endpoint());
}

TEST_CASE("addresses of Asio go in and out unchanged")
{
  std::error_code ec;
  for (const char* host : {"127.0.0.1", "0.0.0.0", "::1", "fe80::1%2"}) {
    const tcp::endpoint endpoint(asio::ip::make_address(host), 8000);
    const auto address = socket_address::from_endpoint(endpoint, ec);
    CHECK(!ec);
    CHECK(address.port() == 8000);
    CHECK(address.to_endpoint<tcp::endpoint>() == endpoint);
    CHECK(address.to_endpoint<asio::generic::stream_protocol::endpoint>().size() == address.size());
    CHECK(address.to_endpoint<local::endpoint>() == local::endpoint());
  }
  for (const std::string& path : {std::string("/run/x.sock"), std::string("\0name", 5)}) {
    const local::endpoint endpoint(path);
    const auto address = socket_address::from_endpoint(endpoint, ec);
    CHECK(!ec);
    CHECK(address.path() == path);
    CHECK(address.is_abstract() == (path[0] == '\0'));
    CHECK(address.to_endpoint<local::endpoint>() == endpoint);
    CHECK(address.to_endpoint<tcp::endpoint>() == tcp::endpoint());
    CHECK(address.port() == 0);
  }
}

TEST_CASE("only whole addresses of known families are taken")
{
  std::error_code ec;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  sockaddr_un un{};
  un.sun_family = AF_UNIX;

  for (std::size_t size = 0; size <= sizeof v4; ++size) {
    const auto address = socket_address::from_bytes(bytes_of(v4, size), ec);
    CHECK(address.empty() == (size != sizeof v4));
    CHECK((ec == std::errc::invalid_argument) == (size != sizeof v4));
  }
  for (std::size_t size = 0; size <= sizeof v6; ++size)
    CHECK(socket_address::from_bytes(bytes_of(v6, size), ec).empty() == (size != sizeof v6));
  auto too_long = bytes_of(un);
  too_long.push_back(std::byte(1));
  CHECK(socket_address::from_bytes(too_long, ec).empty());
  CHECK(ec == std::errc::invalid_argument);
  for (const int family : {AF_UNSPEC, AF_NETLINK, AF_VSOCK, 255}) {
    v4.sin_family = static_cast<sa_family_t>(family);
    CHECK(socket_address::from_bytes(bytes_of(v4), ec).empty());
    CHECK(ec == std::errc::invalid_argument);
  }
}

TEST_CASE("a path has one form, with or without what follows its end")
{
  std::error_code ec;
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, "/a\0junk", 7);
  const auto expected = path_address("/a");
  for (const std::size_t length : {2u, 3u, 5u, 108u})
    CHECK(socket_address::from_bytes(bytes_of(un, path_offset + length), ec) == expected);
  CHECK(expected.size() == path_offset + 3);
  CHECK(expected.path() == "/a");

  const std::string longest(sizeof un.sun_path, 'x');
  CHECK(path_address(longest).path() == longest);
  CHECK(path_address(longest).size() == sizeof un);
  socket_address::from_path(longest + 'x', ec);
  CHECK(ec == std::errc::filename_too_long);
  socket_address::from_path("", ec);
  CHECK(ec == std::errc::invalid_argument);
  socket_address::from_path(std::string_view("/a\0b", 4), ec);
  CHECK(ec == std::errc::invalid_argument);

  // In abstract names every byte counts.
  CHECK(path_address(std::string_view("\0a", 2)) != path_address(std::string_view("\0a\0", 3)));

  const auto unnamed = socket_address::from_bytes(bytes_of(un, path_offset), ec);
  CHECK(!ec);
  CHECK(unnamed.family() == AF_UNIX);
  CHECK(unnamed.path().empty());
}

TEST_CASE("padding and flow labels do not make addresses differ")
{
  std::error_code ec;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_zero[3] = 9;
  auto clean = v4;
  clean.sin_zero[3] = 0;
  CHECK(socket_address::from_bytes(bytes_of(v4), ec) ==
        socket_address::from_bytes(bytes_of(clean), ec));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  auto labelled = v6;
  labelled.sin6_flowinfo = 7;
  CHECK(socket_address::from_bytes(bytes_of(v6), ec) ==
        socket_address::from_bytes(bytes_of(labelled), ec));
}

TEST_CASE("the port can be changed")
{
  auto v4 = tcp_address("127.0.0.1", 0);
  v4.set_port(65535);
  CHECK(v4 == tcp_address("127.0.0.1", 65535));
  auto v6 = tcp_address("::1", 1);
  v6.set_port(2);
  CHECK(v6 == tcp_address("::1", 2));
  auto un = path_address("/a");
  un.set_port(2);
  CHECK(un == path_address("/a"));
}

TEST_CASE("the host's bytes are there without the port")
{
  const auto one = tcp_address("10.1.2.3", 1), other = tcp_address("10.1.2.3", 2);
  CHECK(one.host().size() == 4);
  CHECK(one.host()[3] == std::byte(3));
  CHECK(std::ranges::equal(one.host(), other.host()));
  CHECK(tcp_address("::1", 1).host().size() == 16);
  CHECK(path_address("/a").host().empty());
  CHECK(socket_address().host().empty());
}

TEST_CASE("addresses are keys")
{
  std::map<socket_address, int> ordered;
  std::unordered_map<socket_address, int> hashed;
  const std::vector<socket_address> addresses{tcp_address("127.0.0.1", 1),
      tcp_address("127.0.0.1", 2), tcp_address("127.0.0.2", 1), tcp_address("::1", 1),
      path_address("/a"), path_address("/ab"), socket_address()};
  int number = 0;
  for (const auto& address : addresses) {
    ordered[address] = number;
    hashed[address] = number++;
  }
  CHECK(ordered.size() == addresses.size());
  CHECK(ordered.at(path_address("/ab")) == 5);
  CHECK(hashed.at(tcp_address("::1", 1)) == 3);
}

TEST_CASE("addresses print as people write them")
{
  CHECK(tcp_address("127.0.0.1", 80).to_string() == "127.0.0.1:80");
  CHECK(tcp_address("::1", 80).to_string() == "[::1]:80");
  CHECK(tcp_address("fe80::1%2", 80).to_string() == "[fe80::1%2]:80");
  CHECK(path_address("/run/x").to_string() == "/run/x");
  CHECK(path_address(std::string_view("\0x\ny\0z", 6)).to_string() == "@x?y?z");
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::error_code ec;
  CHECK(socket_address::from_bytes(bytes_of(un, path_offset), ec).to_string() == "unnamed");
}

} // namespace socket_address_test
