// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/signal_set.hpp>

#include <initializer_list>
#include <system_error>
#include <utility>

namespace cohort::detail::io {

/// Signals of this process that one handler gets, one after the other, until it is ended. Handlers
/// have to keep their owner alive.
class signals {
public:
  explicit signals(const asio::any_io_executor& executor) : set_(executor) {}
  signals(const signals&) = delete;
  signals& operator=(const signals&) = delete;

  /// Calls `handler(number)` for each of `numbers` that comes. Once at a time.
  template <class Handler>
  void begin(std::initializer_list<int> numbers, Handler handler);

  /// They have their earlier effect again, and the handler is not called any more.
  void end() noexcept;

private:
  template <class Handler>
  void wait(Handler handler);

  asio::signal_set set_;
  // Which beginning is in force: what an earlier one was sent may be on its way still.
  unsigned number_ = 0;
};

// Implementation

template <class Handler>
void signals::begin(std::initializer_list<int> numbers, Handler handler)
{
  for (const int each : numbers) set_.add(each);
  ++number_;
  wait(std::move(handler));
}

template <class Handler>
void signals::wait(Handler handler)
{
  set_.async_wait([this, number = number_, handler = std::move(handler)](
                      std::error_code error, int signal) mutable {
    // The handler holds the owner of this object.
    if (error || number != number_) return;
    handler(signal);
    if (number == number_) wait(std::move(handler));
  });
}

inline void signals::end() noexcept
{
  ++number_;
  std::error_code ignored;
  set_.cancel(ignored);
  set_.clear(ignored);
}

} // namespace cohort::detail::io
