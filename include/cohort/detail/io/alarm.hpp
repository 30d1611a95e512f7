// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

namespace cohort::detail::io {

/// One handler that is called at a set time, unless that is called off. Handlers have to keep their
/// owner alive.
class alarm {
public:
  using clock = std::chrono::steady_clock;

  explicit alarm(const asio::any_io_executor& executor) : timer_(executor) {}
  alarm(const alarm&) = delete;
  alarm& operator=(const alarm&) = delete;

  /// Calls `handler()` at `time`, or never after a pause that goes past the clock's end. What was
  /// set before is called off, unless it is for the same time.
  template <class Handler>
  void set(clock::time_point time, Handler handler);
  template <class Handler>
  void set_after(clock::duration pause, Handler handler)
  {
    const clock::time_point now = clock::now();
    set(now + std::min(pause, clock::time_point::max() - now), std::move(handler));
  }

  bool is_set() const noexcept { return time_.has_value(); }
  /// Its handler is not called any more.
  void call_off() noexcept;

private:
  asio::steady_timer timer_;
  std::optional<clock::time_point> time_;
  // Which setting is in force: an earlier one may be on its way to its handler already.
  unsigned number_ = 0;
};

// Implementation

template <class Handler>
void alarm::set(clock::time_point time, Handler handler)
{
  if (time_ == time) return;
  // Not set, should there be no memory for it.
  time_.reset();
  timer_.expires_at(time);
  timer_.async_wait(
      [this, number = ++number_, handler = std::move(handler)](std::error_code) mutable {
        // The handler holds the owner of this object, which is alive as long as it exists.
        if (!time_ || number != number_) return;
        time_.reset();
        handler();
      });
  time_ = time;
}

inline void alarm::call_off() noexcept
{
  time_.reset();
  timer_.cancel();
}

} // namespace cohort::detail::io
