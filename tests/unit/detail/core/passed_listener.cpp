// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/passed_listener.hpp>

#include <cohort/detail/posix/listening.hpp>

#include "support/deep_directory.hpp"
#include "support/scratch.hpp"

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <tuple>
#include <utility>

namespace passed_listener_test {

using namespace cohort::detail;
using asio::ip::tcp;

namespace {

listen_key at_port(std::uint16_t port = 0)
{
  std::error_code error;
  return listen_key::of(tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
}

posix::unique_fd listening()
{
  std::error_code error;
  auto socket = posix::listen_stream(at_port().address, posix::listen_settings(), error);
  REQUIRE_FALSE(error);
  return socket;
}

ino_t inode(const posix::unique_fd& fd)
{
  struct stat status {};
  REQUIRE(::fstat(fd.get(), &status) == 0);
  return status.st_ino;
}

struct fixture {
  fixture() { std::tie(ours, theirs) = posix::packet_pair(error); }

  passed_listener pass(const passed_listener& listener)
  {
    send_listener(ours.get(), listener, error);
    REQUIRE_FALSE(error);
    return read_listener(receive_packet(theirs.get(), error), error);
  }

  std::error_code error;
  posix::unique_fd ours, theirs;
};

} // namespace

TEST_CASE("a listener comes as it was asked for, with all its sockets in their order")
{
  fixture test;
  passed_listener listener;
  listener.asked = at_port();
  listener.asked.index = 3;
  listener.data = wire::shared_bytes("ab");
  listener.sockets.push_back(listening());
  listener.sockets.push_back(listening());
  const passed_listener got = test.pass(listener);
  REQUIRE_FALSE(test.error);
  CHECK(got.asked == listener.asked);
  CHECK(got.data == listener.data);
  REQUIRE(got.sockets.size() == 2);
  CHECK(inode(got.sockets[0]) == inode(listener.sockets[0]));
  CHECK(inode(got.sockets[1]) == inode(listener.sockets[1]));
  CHECK(got.bound == posix::local_address(listener.sockets[0].get(), test.error));
  CHECK(got.bound.port() != 0);
}

TEST_CASE("names and long paths come along")
{
  const cohort_test::deep_directory deep;
  fixture test;
  passed_listener named;
  named.asked = listen_key::of(cohort::inherited_socket("http", 2));
  named.sockets.push_back(listening());
  const passed_listener got_named = test.pass(named);
  CHECK_FALSE(test.error);
  CHECK(got_named.asked == named.asked);
  CHECK(got_named.asked.name == "http");
  passed_listener far;
  far.asked = listen_key::of(cohort::unix_path(deep.file("socket")), test.error);
  REQUIRE_FALSE(far.asked.path.empty());
  far.sockets.push_back(listening());
  const passed_listener got_far = test.pass(far);
  CHECK_FALSE(test.error);
  CHECK(got_far.asked == far.asked);
  CHECK(got_far.asked.path == deep.file("socket"));
}

TEST_CASE("a listener is meant by its own key, by its address, and by nothing else")
{
  std::error_code error;
  passed_listener listener;
  listener.asked = at_port();
  listener.sockets.push_back(listening());
  listener.bound = posix::local_address(listener.sockets.front().get(), error);
  CHECK(listener.is_meant_by(at_port()));
  CHECK(listener.is_meant_by(at_port(listener.bound.port())));
  listen_key second = at_port();
  second.index = 1;
  CHECK_FALSE(listener.is_meant_by(second));
  CHECK_FALSE(listener.is_meant_by(listen_key::of(cohort::inherited_socket("http"))));
}

TEST_CASE("a packet is one thing, and that there is none is no error of the other side")
{
  fixture test;
  receive_packet(test.theirs.get(), test.error);
  CHECK(posix::would_block(test.error));
  send_packet(test.ours.get(), wire::ready(), {}, test.error);
  send_packet(test.ours.get(), wire::leaving(), {}, test.error);
  CHECK(receive_packet(test.theirs.get(), test.error).type == wire::message_type::ready);
  CHECK(receive_packet(test.theirs.get(), test.error).type == wire::message_type::leaving);
  CHECK_FALSE(test.error);
  test.ours.reset();
  receive_packet(test.theirs.get(), test.error);
  CHECK(test.error == cohort::error::truncated);
}

TEST_CASE("what does not fit is refused at once, and what goes nowhere is an error")
{
  fixture test;
  unsigned sent = 0;
  for (; !test.error && sent != 1'000'000; ++sent)
    send_packet(test.ours.get(), wire::ready(), {}, test.error);
  CHECK(test.error == std::errc::no_buffer_space);
  fixture gone;
  gone.theirs.reset();
  send_packet(gone.ours.get(), wire::ready(), {}, gone.error);
  CHECK(gone.error == std::errc::broken_pipe);
}

TEST_CASE("a packet that is no listener is a violation, and keeps no descriptor")
{
  const std::size_t before = cohort_test::count_descriptors();
  {
    fixture test;
    const auto refused = [&](upgrade_packet packet) {
      std::error_code error;
      read_listener(std::move(packet), error);
      return error;
    };
    passed_listener listener;
    listener.asked = at_port();
    send_listener(test.ours.get(), listener, test.error);
    // Without a socket.
    CHECK(refused(receive_packet(test.theirs.get(), test.error)) ==
          cohort::error::protocol_violation);
    const std::array<int, 1> one = {test.ours.get()};
    send_packet(test.ours.get(), wire::ready(), one, test.error);
    CHECK(refused(receive_packet(test.theirs.get(), test.error)) ==
          cohort::error::protocol_violation);
    // Cut off.
    listener.sockets.push_back(listening());
    send_listener(test.ours.get(), listener, test.error);
    upgrade_packet cut = receive_packet(test.theirs.get(), test.error);
    REQUIRE(cut.descriptors.size() == 1);
    cut.payload.pop_back();
    CHECK(refused(std::move(cut)));
    // No socket at all.
    listener.sockets.front().reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    send_listener(test.ours.get(), listener, test.error);
    CHECK(refused(receive_packet(test.theirs.get(), test.error)) == std::errc::not_a_socket);
    CHECK_FALSE(test.error);
  }
  CHECK(cohort_test::count_descriptors() == before);
}

} // namespace passed_listener_test
