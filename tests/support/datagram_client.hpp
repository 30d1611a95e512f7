// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

namespace cohort_test {

/// Datagrams without the help of what is tested. What it waits for comes from other processes: the
/// test's own context need not run.
class datagram_client {
public:
  using endpoint = asio::ip::udp::endpoint;

  explicit datagram_client(bool ipv6 = false)
      : socket_(context_, ipv6 ? endpoint(asio::ip::address_v6::loopback(), 0)
                               : endpoint(asio::ip::address_v4::loopback(), 0))
  {
  }

  std::uint16_t port() const { return socket_.local_endpoint().port(); }

  /// Sends to the local port, by its own family.
  void send(std::uint16_t port, const std::string& text)
  {
    socket_.send_to(asio::buffer(text), endpoint(socket_.local_endpoint().address(), port));
  }

  /// The next datagram, and in `sender` whose; nothing after a while.
  std::optional<std::string> receive(std::chrono::milliseconds limit = std::chrono::seconds(10))
  {
    std::array<char, 1500> data;
    std::optional<std::string> text;
    bool done = false;
    socket_.async_receive_from(
        asio::buffer(data), sender, [&](std::error_code error, std::size_t size) {
          done = true;
          if (!error) text.emplace(data.data(), size);
        });
    context_.restart();
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!done && context_.run_one_until(deadline) != 0) continue;
    if (!done) socket_.cancel();
    context_.run();
    return text;
  }

  /// What the one that is there answers: "ID TEXT", "" when nobody does.
  std::string ask(std::uint16_t port, const std::string& text)
  {
    send(port, text);
    return receive().value_or("");
  }

  endpoint sender;

private:
  asio::io_context context_{1};
  asio::ip::udp::socket socket_;
};

} // namespace cohort_test
