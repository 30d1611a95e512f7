// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: (conversion|convert|viable).*connection
//
// A socket sliced off a connection would lose the lease silently: it is given away by `release`.

#include <cohort/connection.hpp>

#include <asio/ip/tcp.hpp>

#include <utility>

using asio::ip::tcp;

tcp::socket keep(cohort::connection<tcp> client)
{
#ifdef MUST_FAIL
  tcp::socket socket = std::move(client);
  return socket;
#else
  return client.release();
#endif
}
