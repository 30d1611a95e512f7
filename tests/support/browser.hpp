// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/time_factor.hpp"

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>

namespace cohort_test {

/// A client that sends what it is told, right or wrong, and reads lines and HTTP answers.
class browser {
public:
  explicit browser(unsigned short port, const char* host = "127.0.0.1")
  {
    socket_.connect(asio::ip::tcp::endpoint(asio::ip::make_address(host), port));
    const timeval limit{20 * static_cast<time_t>(time_factor()), 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }

  void send(const std::string& bytes) { asio::write(socket_, asio::buffer(bytes)); }

  /// The next answer, head and body.
  std::string receive()
  {
    const std::size_t head = asio::read_until(socket_, asio::dynamic_buffer(ahead_), "\r\n\r\n");
    const std::size_t field = ahead_.find("Content-Length: ");
    const std::size_t size = head + (field < head ? std::stoul(ahead_.substr(field + 16)) : 0);
    if (ahead_.size() < size)
      asio::read(
          socket_, asio::dynamic_buffer(ahead_), asio::transfer_exactly(size - ahead_.size()));
    const std::string answer = ahead_.substr(0, size);
    ahead_.erase(0, size);
    return answer;
  }

  std::string receive_line()
  {
    const std::size_t size = asio::read_until(socket_, asio::dynamic_buffer(ahead_), '\n');
    const std::string line = ahead_.substr(0, size);
    ahead_.erase(0, size);
    return line;
  }

  /// Everything until the end of the stream; then it closes, as the server waits for.
  std::string receive_all()
  {
    std::error_code end;
    asio::read(socket_, asio::dynamic_buffer(ahead_), end);
    CHECK(end == asio::error::eof);
    socket_.close();
    return ahead_;
  }

private:
  asio::io_context context_;
  asio::ip::tcp::socket socket_{context_};
  std::string ahead_;
};

} // namespace cohort_test
