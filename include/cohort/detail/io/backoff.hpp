// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/alarm.hpp>

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace cohort::detail::io {

/// The pause before something is tried again for which memory, or room in a table, was short:
/// readiness does not tell when there is some. Each is twice as long as the one before.
class backoff {
public:
  explicit backoff(const asio::any_io_executor& executor) : alarm_(executor) {}

  /// Calls `handler()`, which has to keep the owner alive, after a pause; does nothing while one
  /// runs already.
  template <class Handler>
  void wait(Handler handler);

  /// It worked: the next pause is short.
  void reset() noexcept { pause_ = first_; }

  /// The handler is not called any more.
  void stop() noexcept { alarm_.call_off(); }

private:
  static constexpr std::chrono::milliseconds first_{1};
  static constexpr std::chrono::milliseconds longest_{100};

  alarm alarm_;
  std::chrono::milliseconds pause_ = first_;
};

// Implementation

template <class Handler>
void backoff::wait(Handler handler)
{
  if (alarm_.is_set()) return;
  alarm_.set_after(pause_, std::move(handler));
  pause_ = std::min(2 * pause_, longest_);
}

} // namespace cohort::detail::io
