// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/control_messages.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// Lets the primary hear that this worker's event loop has its turns. `Core` is as for
/// `self_progress`.
class self_beats {
public:
  using clock = std::chrono::steady_clock;

  explicit self_beats(const asio::any_io_executor& executor) : timer_(executor) {}

  /// Every `interval` from now on; what was wanted before is forgotten.
  template <class Core>
  void begin(std::shared_ptr<Core> core, clock::duration interval)
  {
    timer_.expires_after(interval);
    wait(std::move(core), interval);
  }

  void end() noexcept { timer_.cancel(); }

private:
  template <class Core>
  void wait(std::shared_ptr<Core> core, clock::duration interval);

  asio::steady_timer timer_;
};

// Implementation

template <class Core>
void self_beats::wait(std::shared_ptr<Core> core, clock::duration interval)
{
  timer_.async_wait([this, core = std::move(core), interval](std::error_code cancelled) {
    if (cancelled) return;
    const clock::time_point now = clock::now();
    const auto late = std::chrono::duration_cast<std::chrono::microseconds>(now - timer_.expiry());
    constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
    core->tell(wire::beat{static_cast<std::uint32_t>(late.count() < most ? late.count() : most)});
    // From now: who was held up does not have to make up for it.
    timer_.expires_at(now + interval);
    this->wait(core, interval);
  });
}

} // namespace cohort::detail
