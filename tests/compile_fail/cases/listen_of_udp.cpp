// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: no matching (member )?function for call to
//
// Nobody connects to a datagram socket.

#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include <asio/detached.hpp>

void begin(cohort::this_worker& self)
{
#ifdef MUST_FAIL
  self.listen(asio::ip::udp::endpoint(), asio::detached);
#else
  self.listen(asio::ip::tcp::endpoint(), asio::detached);
#endif
}
