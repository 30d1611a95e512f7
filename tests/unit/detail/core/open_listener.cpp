// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/open_listener.hpp>

#include "support/deep_directory.hpp"

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace open_listener_test {

using namespace cohort::detail;
using asio::ip::tcp;

namespace {

template <class Place>
listen_key key_of(const Place& place)
{
  std::error_code error;
  const auto key = listen_key::of(place, error);
  REQUIRE_FALSE(error);
  return key;
}

opened_listener open(const listen_key& key, posix::unique_fd inherited = posix::unique_fd())
{
  std::error_code error;
  auto opened = open_listener(key, std::move(inherited), posix::listen_settings(), error);
  REQUIRE_MESSAGE(!error, error.message());
  CHECK(posix::kind_of(opened.socket.get(), error).listening);
  return opened;
}

} // namespace

TEST_CASE("what is opened knows its port")
{
  const auto opened = open(key_of(tcp::endpoint(asio::ip::address_v4::loopback(), 0)));
  CHECK(opened.place.address.port() != 0);
  CHECK(opened.whose == io::listener::owner::self);
}

TEST_CASE("an inherited socket stays its owner's")
{
  auto first = open(key_of(tcp::endpoint(asio::ip::address_v4::loopback(), 0)));
  const auto port = first.place.address.port();
  const auto key = listen_key::of(cohort::inherited_fd(3), wire::listen_kind::inherited_stream);
  const auto opened = open(key, std::move(first.socket));
  CHECK(opened.place.address.port() == port);
  CHECK(opened.whose == io::listener::owner::elsewhere);
}

TEST_CASE("a path is bound whether an address holds it or not")
{
  const cohort_test::scratch_directory scratch;
  const cohort_test::deep_directory deep;
  const auto near = open(key_of(cohort::unix_path(scratch.file("x.sock"))));
  CHECK(near.place.address.path() == scratch.file("x.sock"));
  CHECK_FALSE(near.place.directory);
  const auto far = open(key_of(cohort::unix_path(deep.file("x.sock"))));
  CHECK(far.place.directory);
  CHECK(std::filesystem::is_socket(deep.file("x.sock")));
  std::error_code error;
  const auto again = open_listener(
      key_of(cohort::unix_path(deep.file("x.sock"))), {}, posix::listen_settings(), error);
  CHECK(error == std::errc::address_in_use);
  CHECK_FALSE(again.socket);
  CHECK_FALSE(again.place.directory);
}

} // namespace open_listener_test
