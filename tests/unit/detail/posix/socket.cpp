// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/socket.hpp>

#include <cohort/detail/posix/listening.hpp>

#include <doctest/doctest.h>

#include <asio/ip/tcp.hpp>

#include "support/scratch.hpp"
#include "support/skip.hpp"

#include <cstdlib>
#include <fcntl.h>
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
  CHECK(peer == peer_address(connection.get(), ec));
  CHECK_FALSE(ec);
  peer_address(listener.get(), ec);
  CHECK(ec == std::errc::not_connected);
  ec.clear();

  const auto again = listen_stream(address, listen_settings(), ec);
  CHECK(!again);
  CHECK(ec == std::errc::address_in_use);
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

TEST_CASE("a packet pair keeps what was written apart, and is told from others")
{
  std::error_code ec;
  auto [a, b] = packet_pair(ec);
  REQUIRE(!ec);
  for (const auto& each : {a.get(), b.get()}) {
    CHECK(is_unix_packet(each));
    CHECK(!is_unix_stream(each));
    CHECK((::fcntl(each, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(each, F_GETFL) & O_NONBLOCK) != 0);
  }
  CHECK(::write(a.get(), "ab", 2) == 2);
  CHECK(::write(a.get(), "c", 1) == 1);
  char bytes[8];
  CHECK(::read(b.get(), bytes, sizeof bytes) == 2);
  CHECK(::read(b.get(), bytes, sizeof bytes) == 1);
  a.reset();
  CHECK(::read(b.get(), bytes, sizeof bytes) == 0);
  const auto stream = stream_pair(ec);
  CHECK(!is_unix_packet(stream.first.get()));
  CHECK(!is_unix_packet(-1));
}

} // namespace socket_test
