// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: use of deleted function|call to (implicitly-)?deleted
//
// What an acceptor was offered, it alone can take or give back.

#include <cohort/acceptor.hpp>

#include <asio/ip/tcp.hpp>

#include <utility>

using acceptor_type = cohort::acceptor<asio::ip::tcp>;

acceptor_type pass_on(acceptor_type acceptor)
{
#ifdef MUST_FAIL
  acceptor_type other = acceptor;
#else
  acceptor_type other = std::move(acceptor);
#endif
  return other;
}
