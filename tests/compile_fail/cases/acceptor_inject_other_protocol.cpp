// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: inject
// expect-lines: 15
//
// A connection that is injected is of the acceptor's protocol.

#include <cohort/acceptor.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <utility>

bool bring(cohort::acceptor<asio::ip::tcp>& to)
{
#ifdef MUST_FAIL
  asio::local::stream_protocol::socket socket(to.get_executor());
#else
  asio::ip::tcp::socket socket(to.get_executor());
#endif
  return to.inject(std::move(socket));
}
