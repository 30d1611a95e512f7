// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/core/predecessor.hpp>
#include <cohort/detail/posix/listening.hpp>

#include "support/scratch.hpp"

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <cstdint>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace cohort_test {

/// The end of the channel that a program has which is being replaced. What it says is there before
/// the other one reads.
class upgrade_channel {
public:
  upgrade_channel()
  {
    std::error_code error;
    std::tie(ours_, theirs_) = cohort::detail::posix::packet_pair(error);
    REQUIRE_FALSE(error);
  }

  /// For the program that replaces it.
  cohort::detail::posix::unique_fd take_other() { return std::move(theirs_); }

  template <class Message>
  void say(const Message& message, const std::vector<int>& descriptors = {})
  {
    std::error_code error;
    cohort::detail::send_packet(ours_.get(), message, descriptors, error);
    REQUIRE_FALSE(error);
  }
  void say_text(std::string_view text)
  {
    std::error_code error;
    cohort::detail::send_text(ours_.get(), text, error);
    REQUIRE_FALSE(error);
  }
  void say_bytes(std::string_view raw)
  {
    REQUIRE(::send(ours_.get(), raw.data(), raw.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(raw.size()));
  }
  void greet(std::uint64_t version = cohort::detail::upgrade_protocol)
  {
    cohort::detail::wire::hello greeting;
    greeting.schema = version;
    say(greeting);
  }
  void pass(const cohort::detail::passed_listener& listener)
  {
    std::error_code error;
    cohort::detail::send_listener(ours_.get(), listener, error);
    REQUIRE_FALSE(error);
  }
  /// Connections that it cannot serve.
  void strand(const cohort::detail::passed_listener& connections)
  {
    std::error_code error;
    cohort::detail::passed_listener copies;
    copies.asked = connections.asked;
    for (const auto& each : connections.sockets)
      copies.sockets.push_back(cohort::detail::posix::duplicate(each.get(), error));
    cohort::detail::send_stranded(ours_.get(), copies, error);
    REQUIRE_FALSE(error);
    REQUIRE(copies.sockets.empty());
  }
  /// What programs before it may leave.
  template <class Legacies>
  void pass_legacies(Legacies& from, std::error_code& error)
  {
    from.pass_to(ours_.get(), error);
  }
  /// All it listens on, from the greeting to the end.
  void pass_all(const std::vector<cohort::detail::passed_listener>& listeners)
  {
    greet();
    for (const auto& each : listeners) pass(each);
    say(cohort::detail::wire::ready());
  }

  /// What the other side has said.
  cohort::detail::upgrade_packet heard(std::error_code& error)
  {
    return cohort::detail::receive_packet(ours_.get(), error);
  }
  bool heard_ready()
  {
    std::error_code error;
    const auto packet = heard(error);
    return !error && packet.type == cohort::detail::wire::message_type::ready;
  }
  void close() { ours_.reset(); }

private:
  cohort::detail::posix::unique_fd ours_, theirs_;
};

/// As long as it lives, this process replaces another one, which has these listeners.
class replaced_program : public upgrade_channel {
public:
  explicit replaced_program(const std::vector<cohort::detail::passed_listener>& listeners)
  {
    pass_all(listeners);
    mine().begin(take_other());
    REQUIRE_FALSE(mine().error());
  }
  ~replaced_program()
  {
    std::error_code ignored; // it may have been said
    mine().say_ready(ignored);
    mine().close_unclaimed();
  }
  replaced_program(const replaced_program&) = delete;
  replaced_program& operator=(const replaced_program&) = delete;

private:
  static cohort::detail::predecessor& mine()
  {
    return cohort::detail::predecessor::of_this_process();
  }
};

/// Which one it is, whatever its number.
inline ino_t inode_of(int fd)
{
  struct stat status {};
  REQUIRE(::fstat(fd, &status) == 0);
  return status.st_ino;
}

/// The key of a port at the loopback address.
inline cohort::detail::listen_key loopback_key(std::uint16_t port = 0)
{
  std::error_code error;
  const auto key = cohort::detail::listen_key::of(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
  REQUIRE_FALSE(error);
  return key;
}

/// A listener that was asked for with that key, with so many sockets of one port.
inline cohort::detail::passed_listener listener_at(
    const cohort::detail::listen_key& asked, int sockets = 1)
{
  namespace posix = cohort::detail::posix;
  std::error_code error;
  cohort::detail::passed_listener made;
  made.asked = asked;
  made.bound = loopback_key().address;
  posix::listen_settings how;
  how.reuse_port = sockets != 1;
  for (; sockets != 0; --sockets) {
    made.sockets.push_back(posix::listen_stream(made.bound, how, error));
    if (!error) made.bound = posix::local_address(made.sockets.back().get(), error);
    REQUIRE_FALSE(error);
  }
  return made;
}

} // namespace cohort_test
