// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/inheritable_sockets.hpp>

#include <cohort/detail/posix/listening.hpp>

#include "support/upgrade_channel.hpp"

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <fcntl.h>
#include <system_error>
#include <vector>

namespace inheritable_sockets_test {

using namespace cohort::detail;

namespace {

listen_key number(int fd, wire::listen_kind kind = wire::listen_kind::inherited_stream)
{
  return listen_key::of(cohort::inherited_fd(fd), kind);
}

} // namespace

TEST_CASE("a worker gets what other programs get, or what the program has named")
{
  std::error_code error;
  const auto any = posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  const auto own = posix::listen_stream(any, posix::listen_settings(), error);
  inheritable_sockets sockets;
  // What this library opens is not for others.
  CHECK_FALSE(sockets.share(number(own.get()), error));
  CHECK(error == std::errc::permission_denied);
  sockets.allow(own.get());
  CHECK(sockets.share(number(own.get()), error));
  CHECK_FALSE(error);
  CHECK_FALSE(sockets.share(number(own.get(), wire::listen_kind::inherited_datagram), error));
  CHECK(error == cohort::error::wrong_handle);

  const auto other = posix::listen_stream(any, posix::listen_settings(), error);
  REQUIRE(::fcntl(other.get(), F_SETFD, 0) == 0);
  CHECK(sockets.share(number(other.get()), error));
  CHECK_FALSE(error);
  // Named or not, it has to be there.
  sockets.allow(999'999);
  CHECK_FALSE(sockets.share(number(999'999), error));
  CHECK(error == std::errc::bad_file_descriptor);
}

TEST_CASE("what a service manager has given goes by its name, and what is to be bound is nothing")
{
  auto& given = service_sockets::of_this_process();
  std::error_code error;
  const auto any = posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  const inheritable_sockets sockets;
  const auto named = listen_key::of(cohort::inherited_socket("inheritable_test"));
  CHECK_FALSE(sockets.share(named, error));
  CHECK(error == cohort::error::not_inherited);
  given.add("inheritable_test", posix::listen_stream(any, posix::listen_settings(), error));
  CHECK(sockets.share(named, error));
  CHECK_FALSE(error);
  given.close_all();
  error = std::make_error_code(std::errc::io_error);
  CHECK_FALSE(sockets.share(listen_key(wire::listen_kind::tcp, any), error));
  CHECK_FALSE(error);
}

TEST_CASE("what the process before this one has passed on need not be here by its number or name")
{
  std::vector<passed_listener> passed;
  const auto named = listen_key::of(cohort::inherited_socket("inheritable_test"));
  passed.push_back(cohort_test::listener_at(number(999'998)));
  passed.push_back(cohort_test::listener_at(named));
  const cohort_test::replaced_program before(passed);
  const inheritable_sockets sockets;
  std::error_code error;
  CHECK_FALSE(sockets.share(number(999'998), error));
  CHECK_FALSE(error);
  CHECK_FALSE(sockets.share(named, error));
  CHECK_FALSE(error);
  CHECK_FALSE(sockets.share(number(999'997), error));
  CHECK(error);
}

} // namespace inheritable_sockets_test
