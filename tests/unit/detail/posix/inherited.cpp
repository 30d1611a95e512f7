// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/inherited.hpp>

#include <cohort/detail/posix/listening.hpp>

#include "support/scratch.hpp"

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <string>
#include <system_error>

namespace inherited_test {

using namespace cohort::detail::posix;

namespace {

socket_address loopback()
{
  std::error_code ec;
  return socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), ec);
}

unique_fd bound_stream()
{
  unique_fd fd(::socket(AF_INET, SOCK_STREAM, 0));
  const auto where = loopback();
  REQUIRE(::bind(fd.get(), where.data(), where.size()) == 0);
  return fd;
}

std::error_code share(int fd, inherited_kind kind)
{
  std::error_code ec;
  const auto copy = share_inherited(fd, kind, ec);
  CHECK(static_cast<bool>(copy) == !ec);
  if (copy) {
    CHECK((::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  }
  return ec;
}

} // namespace

TEST_CASE("only what listens or is bound is shared, as what it is")
{
  std::error_code ec;
  const unique_fd stream = bound_stream();
  CHECK(share(stream.get(), inherited_kind::listener) == cohort::error::wrong_handle);
  REQUIRE(::listen(stream.get(), 5) == 0);
  CHECK_FALSE(share(stream.get(), inherited_kind::listener));
  CHECK(share(stream.get(), inherited_kind::datagram) == cohort::error::wrong_handle);
  const unique_fd unbound(::socket(AF_INET, SOCK_DGRAM, 0));
  CHECK(share(unbound.get(), inherited_kind::datagram) == cohort::error::wrong_handle);
  const unique_fd datagram = bind_datagram(loopback(), listen_settings(), ec);
  CHECK_FALSE(share(datagram.get(), inherited_kind::datagram));
  CHECK(share(datagram.get(), inherited_kind::listener) == cohort::error::wrong_handle);
  cohort_test::scratch_directory folder;
  const unique_fd path =
      listen_stream(socket_address::from_path(folder.file("s"), ec), listen_settings(), ec);
  CHECK_FALSE(share(path.get(), inherited_kind::listener));
  CHECK(share(-1, inherited_kind::listener) == std::errc::bad_file_descriptor);
  const unique_fd file(::open("/dev/null", O_RDONLY));
  CHECK(share(file.get(), inherited_kind::listener) == cohort::error::wrong_handle);
}

TEST_CASE("a bound socket begins to listen, and nothing else does")
{
  const auto listen_on = [](int fd, bool is_unix) {
    std::error_code ec;
    listen_if_bound(fd, is_unix, 5, ec);
    return ec;
  };
  std::error_code ec;
  const unique_fd stream = bound_stream();
  CHECK(listen_on(stream.get(), true) == cohort::error::wrong_handle);
  CHECK_FALSE(kind_of(stream.get(), ec).listening);
  CHECK_FALSE(listen_on(stream.get(), false));
  CHECK(kind_of(stream.get(), ec).listening);
  CHECK_FALSE(listen_on(stream.get(), false));
  const unique_fd unbound(::socket(AF_INET, SOCK_STREAM, 0));
  CHECK(listen_on(unbound.get(), false) == cohort::error::wrong_handle);
  const auto pair = stream_pair(ec);
  CHECK(listen_on(pair.first.get(), true) == cohort::error::wrong_handle);
  CHECK(listen_on(-1, false) == std::errc::bad_file_descriptor);
  // One that is connected is bound as well.
  const unique_fd client(::socket(AF_INET, SOCK_STREAM, 0));
  const auto where = local_address(stream.get(), ec);
  REQUIRE(::connect(client.get(), where.data(), where.size()) == 0);
  CHECK(listen_on(client.get(), false) == std::errc::invalid_argument);
}

TEST_CASE("what other programs do not get is told apart")
{
  std::error_code ec;
  const unique_fd plain(::open("/dev/null", O_RDONLY));
  check_inheritable(plain.get(), ec);
  CHECK_FALSE(ec);
  const unique_fd own(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  check_inheritable(own.get(), ec);
  CHECK(ec == std::errc::permission_denied);
  check_inheritable(-1, ec);
  CHECK(ec == std::errc::bad_file_descriptor);
}

} // namespace inherited_test
