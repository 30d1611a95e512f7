// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/listen_key.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace listen_key_test {

using namespace cohort::detail;
using asio::ip::tcp;
using asio::ip::udp;
using local = asio::local::stream_protocol;

namespace {

template <class Place>
listen_key key_of(const Place& place)
{
  std::error_code error;
  const auto key = listen_key::of(place, error);
  CHECK_FALSE(error);
  return key;
}

listen_key key_of(const char* host, std::uint16_t port)
{
  return key_of(tcp::endpoint(asio::ip::make_address(host), port));
}

posix::socket_address address(const char* host, std::uint16_t port)
{
  return key_of(host, port).address;
}

wire::listen message_of(const listen_key& key)
{
  wire::listen message;
  key.describe_to(message);
  CHECK(message.valid());
  return message;
}

} // namespace

TEST_CASE("what a program says arrives as it was said")
{
  std::vector<listen_key> keys = {key_of("127.0.0.1", 80), key_of("::1", 0),
      key_of(udp::endpoint(asio::ip::address_v4::loopback(), 80)),
      listen_key::of(cohort::inherited_fd(7), wire::listen_kind::inherited_stream),
      listen_key::of(cohort::inherited_fd(8), wire::listen_kind::inherited_stream),
      listen_key::of(cohort::inherited_fd(7), wire::listen_kind::inherited_datagram),
      key_of(cohort::any_host(80)), key_of(local::endpoint("/run/x.sock")),
      key_of(local::endpoint(std::string("\0name", 5))),
      key_of(cohort::unix_path('/' + std::string(200, 'x')))};
  keys[1].index = 3;
  for (std::size_t i = 0; i != keys.size(); ++i) {
    const auto arrived = key_of(message_of(keys[i]));
    for (std::size_t j = 0; j != keys.size(); ++j) CHECK((arrived == keys[j]) == (i == j));
  }
}

TEST_CASE("the path of a unix socket is absolute, an abstract name has no directory")
{
  CHECK(key_of(local::endpoint("x.sock")).address.path() ==
        (std::filesystem::current_path() / "x.sock").native());
  CHECK(key_of(local::endpoint("/x.sock")).address.path() == "/x.sock");
  CHECK(key_of(local::endpoint(std::string("\0x", 2))).address.is_abstract());
  std::error_code error;
  listen_key::of(local::endpoint(""), error);
  CHECK(error == std::errc::invalid_argument);
}

TEST_CASE("a path is the same place however it is said, and whatever has room for it")
{
  const auto longest = posix::socket_address::longest_path;
  for (const std::size_t size : {longest - 1, longest, longest + 1, longest + 2}) {
    CAPTURE(size);
    const std::string path = '/' + std::string(size - 1, 'x');
    const listen_key key = key_of(cohort::unix_path(path));
    CHECK(key.path == (size > longest ? path : ""));
    CHECK(key.address.path() == (size > longest ? "" : path));
    if (size <= longest) CHECK(key_of(local::endpoint(path)) == key);
    wire::listen message = message_of(key);
    CHECK(key_of(message) == key);
    // Nor does it matter how a worker says it.
    message.address = wire::address_bytes();
    message.path = wire::path_text(path);
    CHECK(key_of(message) == key);
    std::error_code error;
    const auto address = posix::socket_address::from_path(path, error);
    if (error) continue;
    message.path = wire::path_text();
    message.address = wire::address_bytes(address.bytes());
    CHECK(key_of(message) == key);
  }
}

TEST_CASE("a relative path may have become long")
{
  const std::string name(posix::socket_address::longest_path, 'x');
  const std::string path = (std::filesystem::current_path() / name).native();
  REQUIRE(path.size() > posix::socket_address::longest_path);
  CHECK(key_of(local::endpoint(name)).path == path);
  CHECK(key_of(cohort::unix_path(name)).path == path);
  CHECK(key_of(cohort::unix_path("./x")).address.path() ==
        (std::filesystem::current_path() / "./x").native());
}

TEST_CASE("what is no path of a file is an error, whoever says it")
{
  const auto error_of = [](std::string path) {
    std::error_code error;
    listen_key::of(cohort::unix_path(std::move(path)), error);
    return error;
  };
  CHECK(error_of("") == std::errc::invalid_argument);
  CHECK(error_of(std::string("\0name", 5)) == std::errc::invalid_argument);
  CHECK(error_of(std::string("/a\0b", 4)) == std::errc::invalid_argument);
  CHECK_FALSE(error_of('/' + std::string(4094, 'x')));
  CHECK(error_of('/' + std::string(4095, 'x')) == std::errc::filename_too_long);
  for (const std::string& path : {std::string("relative"), std::string("/a\0b", 4),
           std::string("/\0", 2), std::string("\0name", 5), std::string(200, 'x')}) {
    wire::listen message;
    message.kind = wire::listen_kind::unix_stream;
    message.path = wire::path_text(path);
    CHECK(message.valid());
    std::error_code error;
    listen_key::of(message, error);
    CHECK(error == std::errc::invalid_argument);
  }
  wire::listen message;
  message.kind = wire::listen_kind::unix_stream;
  std::error_code error;
  message.address =
      wire::address_bytes(posix::socket_address::from_path("relative", error).bytes());
  listen_key::of(message, error);
  CHECK(error == std::errc::invalid_argument);
}

TEST_CASE("only a listen on any port is counted")
{
  auto message = message_of(key_of("127.0.0.1", 80));
  message.index = 7;
  CHECK(key_of(message) == key_of("127.0.0.1", 80));
  message = message_of(key_of("127.0.0.1", 0));
  message.index = 7;
  CHECK(key_of(message).index == 7);
  CHECK(key_of("127.0.0.1", 0).any_port());
  CHECK(key_of(cohort::any_host()).any_port());
  CHECK(key_of(udp::endpoint(asio::ip::address_v4::loopback(), 0)).any_port());
  CHECK_FALSE(key_of("127.0.0.1", 80).any_port());
  CHECK_FALSE(key_of(local::endpoint("/x.sock")).any_port());
}

TEST_CASE("what a worker asks for makes sense, or is an error")
{
  const auto error_of = [](wire::listen_kind kind, const posix::socket_address& where) {
    wire::listen message;
    message.kind = kind;
    message.address = wire::address_bytes(where.bytes());
    std::error_code error;
    listen_key::of(message, error);
    return error;
  };
  const auto path = key_of(local::endpoint("/x.sock")).address;
  CHECK_FALSE(error_of(wire::listen_kind::tcp, address("::1", 80)));
  CHECK_FALSE(error_of(wire::listen_kind::unix_stream, path));
  CHECK_FALSE(error_of(wire::listen_kind::udp, address("::1", 80)));
  CHECK(error_of(wire::listen_kind::udp, path) == std::errc::invalid_argument);
  CHECK(error_of(wire::listen_kind::tcp, path) == std::errc::invalid_argument);
  CHECK(
      error_of(wire::listen_kind::unix_stream, address("::1", 80)) == std::errc::invalid_argument);
  CHECK(error_of(wire::listen_kind::tcp, posix::socket_address()) == std::errc::invalid_argument);
}

TEST_CASE("the port that came out of any port is another name")
{
  CHECK(key_of("127.0.0.1", 80).names(address("127.0.0.1", 80)));
  CHECK_FALSE(key_of("127.0.0.1", 80).names(address("127.0.0.2", 80)));
  CHECK_FALSE(key_of("127.0.0.1", 80).names(address("127.0.0.1", 81)));
  CHECK_FALSE(key_of("127.0.0.1", 0).names(address("127.0.0.1", 0)));
}

TEST_CASE("a descriptor is a number, and fits connections of its kind alone")
{
  using enum wire::listen_kind;
  const auto path = key_of(local::endpoint("/x.sock")).address;
  const auto tcp_key = listen_key::of(cohort::inherited_fd(7), inherited_stream, false);
  CHECK(tcp_key.fits(address("::1", 80)));
  CHECK_FALSE(tcp_key.fits(path));
  const auto unix_key = listen_key::of(cohort::inherited_fd(7), inherited_stream, true);
  CHECK(unix_key.fits(path));
  CHECK_FALSE(unix_key.fits(address("::1", 80)));
  CHECK(key_of("::1", 80).fits(address("::1", 80)));
  CHECK_FALSE(tcp_key.any_port());
  CHECK_FALSE(tcp_key.names(posix::socket_address()));
  wire::listen message;
  message.kind = inherited_stream;
  message.descriptor = 0x80000000;
  std::error_code error;
  listen_key::of(message, error);
  CHECK(error == std::errc::bad_file_descriptor);
}

TEST_CASE(
    "a name and an index are what they are on the wire, and fit connections of their kind alone")
{
  const auto key = listen_key::of(cohort::inherited_socket("http", 2));
  wire::listen message;
  key.describe_to(message);
  CHECK(message.valid());
  std::error_code error;
  CHECK(listen_key::of(message, error) == key);
  CHECK_FALSE(error);
  CHECK(key != listen_key::of(cohort::inherited_socket("http", 1)));
  CHECK(key != listen_key::of(cohort::inherited_socket("https", 2)));
  CHECK(key.fits(address("::1", 80)));
  CHECK_FALSE(listen_key::of(cohort::inherited_socket("http"), true).fits(address("::1", 80)));
  CHECK_FALSE(key.any_port());
  CHECK_FALSE(key.names(posix::socket_address()));
}

TEST_CASE("any host is every address of either family, and no single one")
{
  const auto any = key_of(cohort::any_host(80));
  CHECK(any != key_of("::", 80));
  CHECK(any.names(address("::", 80)));
  CHECK(any.names(address("0.0.0.0", 80)));
  CHECK_FALSE(any.names(address("0.0.0.0", 81)));
  CHECK_FALSE(any.names(address("127.0.0.1", 80)));
  CHECK_FALSE(key_of("::", 80).names(address("0.0.0.0", 80)));
}

} // namespace listen_key_test
