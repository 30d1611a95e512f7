// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <cstddef>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <tuple>

namespace cohort_test {

/// Two ends of a connection: what the server has, and its client.
struct socket_pair {
  socket_pair()
  {
    std::error_code error;
    std::tie(server, client) = cohort::detail::posix::stream_pair(error);
    REQUIRE_FALSE(error);
  }

  void send(std::string_view text) const
  {
    const auto sent = ::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    CHECK(sent == static_cast<ssize_t>(text.size()));
  }

  /// What the client can read now.
  std::string received() const
  {
    std::string all(1 << 16, '\0');
    const auto size = ::recv(client.get(), all.data(), all.size(), MSG_DONTWAIT);
    all.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return all;
  }

  /// Whether the server's end is closed, or has said that nothing more comes.
  bool ended() const
  {
    char byte = 0;
    const auto size = ::recv(client.get(), &byte, 1, MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno == ECONNRESET);
  }

  cohort::detail::posix::unique_fd server, client;
};

inline std::string text_of(std::span<const std::byte> data)
{
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

} // namespace cohort_test
