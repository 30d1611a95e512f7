// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <utility>

namespace cohort::detail {

/// Calls `handler()` when all that has happened until now is handled, what nobody has looked for
/// yet included: bytes that came, signals.
template <class Handler>
void after_events(const asio::any_io_executor& executor, Handler handler);

// Implementation

namespace after_events_detail {

template <class Handler>
struct turn {
  void operator()()
  {
    if (left == 0) return handler();
    --left;
    asio::post(asio::any_io_executor(executor), std::move(*this));
  }

  asio::any_io_executor executor;
  Handler handler;
  unsigned left;
};

} // namespace after_events_detail

template <class Handler>
void after_events(const asio::any_io_executor& executor, Handler handler)
{
  // The event loop looks for events before the first turn, reads what there is before the second,
  // a signal's number for one, and calls who waits for that before the third.
  asio::post(executor, after_events_detail::turn<Handler>{executor, std::move(handler), 2});
}

} // namespace cohort::detail
