// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: no matching (member )?function for call to
//
// Datagrams are bound, connections are listened for.

#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include <asio/detached.hpp>

void begin(cohort::this_worker& self)
{
#ifdef MUST_FAIL
  self.bind(asio::ip::tcp::endpoint(), asio::detached);
#else
  self.bind(asio::ip::udp::endpoint(), asio::detached);
#endif
}
