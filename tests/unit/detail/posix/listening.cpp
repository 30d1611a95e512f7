// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/listening.hpp>

#include <doctest/doctest.h>

#include <asio/ip/tcp.hpp>

#include "support/scratch.hpp"
#include "support/skip.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>

namespace listening_test {

using namespace cohort::detail::posix;
namespace fs = std::filesystem;

namespace {

struct temporary_folder {
  socket_address address(const std::string& name = "s") const
  {
    std::error_code ec;
    return socket_address::from_path((path / name).string(), ec);
  }

  cohort_test::scratch_directory scratch;
  const fs::path path = scratch.path();
};

struct umask_guard {
  explicit umask_guard(mode_t mask) : old(::umask(mask)) {}
  ~umask_guard() { ::umask(old); }
  mode_t old;
};

socket_address loopback(const char* host, std::uint16_t port = 0)
{
  std::error_code ec;
  return socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::make_address(host), port), ec);
}

unique_fd connect_to(const socket_address& address)
{
  unique_fd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), address.data(), address.size()) != 0) fd.reset();
  return fd;
}

mode_t mode_of(const socket_address& address)
{
  struct stat status;
  REQUIRE(::lstat(std::string(address.path()).c_str(), &status) == 0);
  return status.st_mode & 07777;
}

bool is_hygienic(int fd)
{
  return ::fcntl(fd, F_GETFD) == FD_CLOEXEC && (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

} // namespace

TEST_CASE("several sockets share a port only when told so")
{
  std::error_code ec;
  listen_settings settings;
  settings.reuse_port = true;
  const auto first = listen_stream(loopback("127.0.0.1"), settings, ec);
  REQUIRE(first);
  const auto second = listen_stream(local_address(first.get(), ec), settings, ec);
  CHECK(!ec);
  CHECK(second);
}

TEST_CASE("an IPv6 listener takes IPv4 clients unless told otherwise")
{
  std::error_code ec;
  listen_settings settings;
  const auto both = listen_stream(loopback("::"), settings, ec);
  if (ec) return cohort_test::skip("no IPv6");
  CHECK(connect_to(loopback("127.0.0.1", local_address(both.get(), ec).port())));
  settings.ipv6_only = true;
  const auto only = listen_stream(loopback("::"), settings, ec);
  REQUIRE(only);
  const auto port = local_address(only.get(), ec).port();
  CHECK(!connect_to(loopback("127.0.0.1", port)));
  CHECK(connect_to(loopback("::1", port)));
}

TEST_CASE("every address of the machine is IPv4 alone where there is no IPv6")
{
  std::error_code ec;
  listen_settings settings;
  // An address that this machine has not stands for all that it may lack.
  const auto lacking = loopback("2001:db8::1");
  CHECK_FALSE(listen_stream(lacking, settings, ec));
  CHECK(ec == std::errc::address_not_available);
  settings.any_host = true;
  const auto listener = listen_stream(lacking, settings, ec);
  REQUIRE_MESSAGE(listener, ec.message());
  const auto bound = local_address(listener.get(), ec);
  CHECK(bound.to_string().starts_with("0.0.0.0:"));
  CHECK(connect_to(loopback("127.0.0.1", bound.port())));
  // A port in use is in use, with whatever is there.
  const auto again = listen_stream(loopback("::", bound.port()), settings, ec);
  CHECK_FALSE(again);
  CHECK(ec == std::errc::address_in_use);
}

TEST_CASE("a datagram socket is bound, and shares its port only when told so")
{
  std::error_code ec;
  listen_settings plain, reuse_address, reuse_port, first;
  reuse_address.reuse_address = true;
  reuse_port.reuse_port = true;
  first = reuse_port;
  first.first_of_port = true;
  const auto bound_address = [&](const unique_fd& fd) {
    REQUIRE_MESSAGE(fd, ec.message());
    return local_address(fd.get(), ec);
  };
  for (const listen_settings& shared : {reuse_address, reuse_port}) {
    const auto one = bind_datagram(loopback("127.0.0.1"), shared, ec);
    const auto address = bound_address(one);
    CHECK(is_hygienic(one.get()));
    CHECK(kind_of(one.get(), ec).type == SOCK_DGRAM);
    CHECK(bind_datagram(address, shared, ec));
    CHECK_FALSE(bind_datagram(address, plain, ec));
    CHECK(ec == std::errc::address_in_use);
    // Whoever wants to be the first is not.
    CHECK_FALSE(bind_datagram(address, first, ec));
    CHECK(ec == std::errc::address_in_use);
  }
  const auto alone = bind_datagram(loopback("127.0.0.1"), first, ec);
  const auto address = bound_address(alone);
  CHECK(bind_datagram(address, reuse_port, ec));
}

TEST_CASE("a datagram socket of IPv6 takes IPv4 unless told otherwise")
{
  std::error_code ec;
  listen_settings settings;
  const auto both = bind_datagram(loopback("::"), settings, ec);
  if (ec) return cohort_test::skip("no IPv6");
  const auto port = local_address(both.get(), ec).port();
  CHECK_FALSE(bind_datagram(loopback("0.0.0.0", port), settings, ec));
  settings.ipv6_only = true;
  const auto only = bind_datagram(loopback("::"), settings, ec);
  REQUIRE(only);
  const auto other_port = local_address(only.get(), ec).port();
  CHECK(bind_datagram(loopback("0.0.0.0", other_port), settings, ec));
  CHECK_FALSE(bind_datagram(socket_address::from_path("/no/datagrams", ec), settings, ec));
  CHECK(ec == std::errc::invalid_argument);
}

TEST_CASE("a Unix listener has the permissions asked for, whatever the umask")
{
  const temporary_folder folder;
  std::error_code ec;
  for (const mode_t mask : {0000u, 0022u, 0777u}) {
    const umask_guard guard(mask);
    for (const mode_t mode : {0600u, 0660u, 0666u, 0777u}) {
      listen_settings settings;
      settings.mode = mode;
      const auto address = folder.address(std::to_string(mask) + "." + std::to_string(mode));
      const auto listener = listen_stream(address, settings, ec);
      REQUIRE_MESSAGE(!ec, ec.message());
      CHECK(mode_of(address) == mode);
      CHECK(is_hygienic(listener.get()));
      CHECK(is_unix_stream(listener.get()));
      CHECK(local_address(listener.get(), ec) == address);
    }
    CHECK(::umask(mask) == mask);
  }
}

TEST_CASE("a socket that a dead process left is replaced")
{
  const temporary_folder folder;
  std::error_code ec;
  listen_stream(folder.address(), listen_settings(), ec);
  REQUIRE(!ec);
  REQUIRE(fs::exists(folder.path / "s"));
  const auto listener = listen_stream(folder.address(), listen_settings(), ec);
  CHECK(!ec);
  CHECK(connect_to(folder.address()));
}

TEST_CASE("a socket that answers is never removed, not even with a full backlog")
{
  const temporary_folder folder;
  std::error_code ec;
  listen_settings settings;
  settings.backlog = 0;
  const auto live = listen_stream(folder.address(), settings, ec);
  REQUIRE(!ec);
  for (int attempt = 0; attempt != 3; ++attempt) {
    const auto second = listen_stream(folder.address(), settings, ec);
    CHECK(!second);
    CHECK(ec == std::errc::address_in_use);
  }
  // The attempts filled the queue; each is one connection that was closed at once.
  while (accept_stream(live.get(), nullptr, ec)) {
  }
  CHECK(connect_to(folder.address()));
}

TEST_CASE("what is no stream socket is never removed")
{
  const temporary_folder folder;
  std::error_code ec;
  std::ofstream(folder.path / "file") << "text";
  fs::create_directory(folder.path / "folder");
  fs::create_symlink(folder.path / "nowhere", folder.path / "link");
  for (const char* name : {"file", "folder", "link"}) {
    listen_stream(folder.address(name), listen_settings(), ec);
    CHECK(ec == std::errc::address_in_use);
    CHECK(fs::symlink_status(folder.path / name).type() != fs::file_type::not_found);
  }
  const auto address = folder.address("datagram");
  const unique_fd datagram(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(datagram.get(), address.data(), address.size()) == 0);
  listen_stream(address, listen_settings(), ec);
  CHECK(ec == std::errc::address_in_use);
  CHECK(fs::exists(folder.path / "datagram"));
}

TEST_CASE("abstract names leave no file")
{
  std::error_code ec;
  const std::string name = std::string("\0cohort-test-", 13) + std::to_string(::getpid());
  const auto address = socket_address::from_path(name, ec);
  auto listener = listen_stream(address, listen_settings(), ec);
  REQUIRE(!ec);
  CHECK(local_address(listener.get(), ec) == address);
  CHECK(connect_to(address));
  listen_stream(address, listen_settings(), ec);
  CHECK(ec == std::errc::address_in_use);
  listener.reset();
  CHECK(listen_stream(address, listen_settings(), ec));
}

TEST_CASE("addresses nobody can listen on give errors")
{
  std::error_code ec;
  listen_stream(socket_address(), listen_settings(), ec);
  CHECK(ec == std::errc::invalid_argument);
  listen_stream(socket_address::from_path("relative", ec), listen_settings(), ec);
  CHECK(ec == std::errc::invalid_argument);
  listen_stream(socket_address::from_path("/nowhere/at/all", ec), listen_settings(), ec);
  CHECK(ec == std::errc::no_such_file_or_directory);
  listen_stream(loopback("203.0.113.1"), listen_settings(), ec);
  CHECK(ec == std::errc::address_not_available);
}

TEST_CASE("the path of a Unix socket can be removed, other addresses have none")
{
  const temporary_folder folder;
  std::error_code ec;
  const auto listener = listen_stream(folder.address(), listen_settings(), ec);
  REQUIRE(fs::exists(folder.path / "s"));
  const socket_file ours = file_of(folder.address());
  CHECK(ours != socket_file());
  unlink_path(folder.address(), socket_file());
  CHECK(file_of(folder.address()) == ours);
  unlink_path(folder.address(), ours);
  CHECK(!fs::exists(folder.path / "s"));
  CHECK(file_of(folder.address()) == socket_file());
  unlink_path(folder.address(), ours);
  for (const auto& without : {socket_address(), loopback("127.0.0.1")}) {
    CHECK(file_of(without) == socket_file());
    unlink_path(without, ours);
  }
}

} // namespace listening_test
