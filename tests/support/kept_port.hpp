// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <cstdint>
#include <string>

namespace cohort_test {

/// A port of 127.0.0.1 that nobody gets by chance as long as this lives, while who asks for it by
/// its number can listen there, unless it is taken: then this listens there itself.
class kept_port {
public:
  kept_port() : keeper_(context_), listener_(context_)
  {
    keeper_.open(asio::ip::tcp::v4());
    keeper_.set_option(asio::socket_base::reuse_address(true));
    keeper_.bind(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  }

  std::uint16_t number() const { return keeper_.local_endpoint().port(); }
  /// "127.0.0.1:4711"
  std::string text() const { return "127.0.0.1:" + std::to_string(number()); }

  void take() { listener_ = asio::ip::tcp::acceptor(context_, keeper_.local_endpoint()); }
  void free() { listener_.close(); }

private:
  asio::io_context context_{1};
  // Bound, and never listening.
  asio::ip::tcp::acceptor keeper_;
  asio::ip::tcp::acceptor listener_;
};

} // namespace cohort_test
