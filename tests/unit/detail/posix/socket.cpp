// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/socket.hpp>

#include <doctest/doctest.h>

#include <asio/ip/tcp.hpp>

#include "support/scratch.hpp"
#include "support/skip.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <poll.h>
#include <string>

namespace socket_test {

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

void wait_readable(int fd)
{
  pollfd entry{fd, POLLIN, 0};
  REQUIRE(::poll(&entry, 1, 10'000) == 1);
}

} // namespace

TEST_CASE("a TCP listener takes connections and tells who came")
{
  std::error_code ec;
  const auto listener = listen_stream(loopback("127.0.0.1"), listen_settings(), ec);
  REQUIRE(!ec);
  CHECK(is_hygienic(listener.get()));
  const auto address = local_address(listener.get(), ec);
  CHECK(address.port() != 0);
  CHECK(kind_of(listener.get(), ec).listening);
  CHECK(!is_unix_stream(listener.get()));

  CHECK(!accept_stream(listener.get(), nullptr, ec));
  CHECK(would_block(ec));
  const auto client = connect_to(address);
  REQUIRE(client);
  wait_readable(listener.get());
  socket_address peer;
  const auto connection = accept_stream(listener.get(), &peer, ec);
  REQUIRE(!ec);
  CHECK(is_hygienic(connection.get()));
  CHECK(peer == local_address(client.get(), ec));

  const auto again = listen_stream(address, listen_settings(), ec);
  CHECK(!again);
  CHECK(ec == std::errc::address_in_use);
}

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

TEST_CASE("a client of a Unix listener is unnamed")
{
  const temporary_folder folder;
  std::error_code ec;
  const auto listener = listen_stream(folder.address(), listen_settings(), ec);
  const auto client = connect_to(folder.address());
  REQUIRE(client);
  socket_address peer;
  const auto connection = accept_stream(listener.get(), &peer, ec);
  REQUIRE(connection);
  CHECK(peer.family() == AF_UNIX);
  CHECK(peer.path().empty());
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

TEST_CASE("a stream pair is connected, and its end is seen")
{
  std::error_code ec;
  const auto [a, b] = stream_pair(ec);
  REQUIRE(!ec);
  CHECK(is_hygienic(a.get()));
  CHECK(is_hygienic(b.get()));
  CHECK(is_unix_stream(a.get()));
  CHECK(::write(a.get(), "x", 1) == 1);
  shutdown_write(a.get(), ec);
  CHECK(!ec);
  char buffer[4];
  CHECK(::read(b.get(), buffer, sizeof buffer) == 1);
  CHECK(::read(b.get(), buffer, sizeof buffer) == 0);
  CHECK(::write(b.get(), "y", 1) == 1);
  shutdown_write(-1, ec);
  CHECK(ec == std::errc::bad_file_descriptor);
}

TEST_CASE("a last word is sent with the end behind it")
{
  std::error_code ec;
  const auto [a, b] = stream_pair(ec);
  send_last(a.get(), "bye", ec);
  CHECK(!ec);
  char buffer[8];
  CHECK(::read(b.get(), buffer, sizeof buffer) == 3);
  CHECK(::read(b.get(), buffer, sizeof buffer) == 0);
  send_last(a.get(), "again", ec);
  CHECK(ec == std::errc::broken_pipe);
}

TEST_CASE("input is discarded until there is none, its end, or too much of it")
{
  std::error_code ec;
  auto [a, b] = stream_pair(ec);
  CHECK(discard_input(a.get()));
  CHECK(::write(b.get(), "abc", 3) == 3);
  CHECK(discard_input(a.get()));
  char byte;
  CHECK(::recv(a.get(), &byte, 1, MSG_DONTWAIT) == -1);
  CHECK(::write(b.get(), "abc", 3) == 3);
  b.reset();
  CHECK(!discard_input(a.get()));
  CHECK(!discard_input(-1));
  const unique_fd endless(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  CHECK(!discard_input(endless.get()));
}

TEST_CASE("a connection can be closed so that its peer sees a reset")
{
  std::error_code ec;
  const auto listener = listen_stream(loopback("127.0.0.1"), listen_settings(), ec);
  const unique_fd client = connect_to(local_address(listener.get(), ec));
  reset(accept_stream(listener.get(), nullptr, ec), ec);
  CHECK(!ec);
  char byte;
  CHECK(::recv(client.get(), &byte, 1, 0) == -1);
  CHECK(errno == ECONNRESET);
  reset(unique_fd(), ec);
  CHECK(ec == std::errc::bad_file_descriptor);
}

TEST_CASE("what is passed in can be looked at")
{
  std::error_code ec;
  const unique_fd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  kind_of(file.get(), ec);
  CHECK(ec == std::errc::not_a_socket);
  CHECK(!is_unix_stream(file.get()));
  const unique_fd datagram(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto kind = kind_of(datagram.get(), ec);
  CHECK(!ec);
  CHECK(kind.domain == AF_UNIX);
  CHECK(kind.type == SOCK_DGRAM);
  CHECK(!kind.listening);
  CHECK(!is_unix_stream(datagram.get()));
}

TEST_CASE("errors of one connection are told apart from errors of the listener")
{
  const auto system = [](int value) { return std::error_code(value, std::system_category()); };
  CHECK(connection_failed(system(ECONNABORTED)));
  CHECK(connection_failed(system(EPROTO)));
  CHECK(!connection_failed(system(EMFILE)));
  CHECK(!connection_failed(system(EAGAIN)));
  CHECK(!connection_failed(system(EBADF)));
  CHECK(!connection_failed(std::error_code()));
}

} // namespace socket_test
