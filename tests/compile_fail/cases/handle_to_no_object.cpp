// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: no matching (function for call to|member function for call to)
//
// A resolver has no descriptor.

#include <cohort/handle.hpp>

#ifdef MUST_FAIL
using target = asio::ip::tcp::resolver;
#else
using target = asio::ip::tcp::socket;
#endif

target make(cohort::handle& source, const asio::any_io_executor& executor)
{
  return source.to<target>(executor);
}
