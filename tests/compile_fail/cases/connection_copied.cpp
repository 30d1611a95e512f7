// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: use of deleted function|call to (implicitly-)?deleted
//
// A connection has one owner, as its descriptor has.

#include <cohort/connection.hpp>

#include <asio/ip/tcp.hpp>

#include <utility>

using client_type = cohort::connection<asio::ip::tcp>;

client_type pass_on(client_type client)
{
#ifdef MUST_FAIL
  client_type other = client;
#else
  client_type other = std::move(client);
#endif
  return other;
}
