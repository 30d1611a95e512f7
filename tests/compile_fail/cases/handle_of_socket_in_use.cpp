// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: no matching (function for call to|conversion for)
//
// A socket gives its descriptor away only when it is moved from.

#include <cohort/handle.hpp>

#include <utility>

cohort::handle pass_on(asio::ip::tcp::socket& socket)
{
#ifdef MUST_FAIL
  return cohort::handle(socket);
#else
  return cohort::handle(std::move(socket));
#endif
}
