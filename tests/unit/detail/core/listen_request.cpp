// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/listen_request.hpp>

#include <doctest/doctest.h>

#include <system_error>

namespace listen_request_test {

using namespace cohort::detail;
using cohort::listen_options;

namespace {

listen_key loopback(wire::listen_kind kind = wire::listen_kind::tcp)
{
  std::error_code error;
  const asio::ip::tcp::endpoint endpoint(asio::ip::address_v4::loopback(), 80);
  return listen_key(kind, posix::socket_address::from_endpoint(endpoint, error));
}

} // namespace

TEST_CASE("a request says where, and what is to be so")
{
  const wire::listen plain = listen_request(loopback(), listen_options());
  std::error_code error;
  CHECK(listen_key::of(plain, error) == loopback());
  CHECK(plain.flags == 0);
  CHECK(plain.backlog == 511);
  CHECK(plain.mode == 0600);
  CHECK(plain.data.text().empty());
  const wire::listen told = listen_request(loopback(), listen_options()
                                                           .backlog(5)
                                                           .mode(0660)
                                                           .shared_data("keys")
                                                           .ipv6_only(true)
                                                           .hold_when_empty(true)
                                                           .adaptive_credit(true));
  CHECK(told.backlog == 5);
  CHECK(told.mode == 0660);
  CHECK(told.data.text() == "keys");
  CHECK(told.flags == (wire::listen_ipv6_only | wire::listen_hold_when_empty | wire::listen_paced));
}

TEST_CASE("an address is shared with other sockets of datagrams only")
{
  const auto options = listen_options().reuse_address(true);
  CHECK(listen_request(loopback(), options).flags == 0);
  CHECK(listen_request(loopback(wire::listen_kind::udp), options).flags ==
        wire::listen_reuse_address);
}

} // namespace listen_request_test
