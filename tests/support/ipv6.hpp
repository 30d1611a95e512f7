// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <system_error>

namespace cohort_test {

/// Whether this machine has an IPv6 address for tests.
inline bool has_ipv6()
{
  asio::io_context context(1);
  asio::ip::tcp::acceptor probe(context);
  std::error_code error;
  probe.open(asio::ip::tcp::v6(), error);
  if (!error) probe.bind({asio::ip::address_v6::loopback(), 0}, error);
  return !error;
}

/// The reason of tests that are skipped where it has none.
inline constexpr const char* no_ipv6 = "there is no IPv6";

} // namespace cohort_test
