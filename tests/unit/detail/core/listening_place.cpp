// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/listening_place.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace listening_place_test {

using cohort::address_type;
using namespace cohort::detail;

namespace {

cohort::listening_event at(const char* host, std::uint16_t port, bool datagram = false)
{
  std::error_code error;
  listening_place place;
  place.datagram = datagram;
  place.bound = posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::make_address(host), port), error);
  return describe_listening(place);
}

cohort::listening_event at_path(std::string_view path)
{
  std::error_code error;
  listening_place place;
  place.bound = posix::socket_address::from_path(path, error);
  return describe_listening(place);
}

} // namespace

TEST_CASE("an Internet address has its family and its port")
{
  const auto four = at("127.0.0.1", 80);
  CHECK(four.type == address_type::tcp4);
  CHECK(four.address == "127.0.0.1");
  CHECK(four.port == 80);
  const auto six = at("::1", 81);
  CHECK(six.type == address_type::tcp6);
  CHECK(six.address == "::1");
  CHECK(six.port == 81);
  CHECK(at("127.0.0.1", 53, true).type == address_type::udp4);
  CHECK(at("::1", 53, true).type == address_type::udp6);
  CHECK(at("::1", 53, true).port == 53);
}

TEST_CASE("a path is an address without a port, and an abstract name can be printed")
{
  const auto path = at_path("/run/x.sock");
  CHECK(path.type == address_type::unix_path);
  CHECK(path.address == "/run/x.sock");
  CHECK(path.port == 0);
  const sa_family_t family = AF_UNIX;
  std::error_code error;
  listening_place far;
  far.bound = posix::socket_address::from_bytes(std::as_bytes(std::span(&family, 1)), error);
  far.path = '/' + std::string(200, 'x');
  CHECK(describe_listening(far).type == address_type::unix_path);
  CHECK(describe_listening(far).address == far.path);
  const auto abstract = at_path(std::string_view("\0name", 5));
  CHECK(abstract.type == address_type::unix_path);
  CHECK(abstract.address == "@name");
}

} // namespace listening_place_test
