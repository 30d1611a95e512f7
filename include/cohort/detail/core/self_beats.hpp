// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/wire/control_messages.hpp>

#include <asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

namespace cohort::detail {

/// Lets the primary hear that this worker's event loop has its turns. `Core` is as for
/// `self_progress`.
class self_beats {
public:
  using clock = std::chrono::steady_clock;

  explicit self_beats(const asio::any_io_executor& executor) : alarm_(executor) {}

  /// Every `interval` from now on; what was wanted before is forgotten.
  template <class Core>
  void begin(std::shared_ptr<Core> core, clock::duration interval)
  {
    end();
    interval_ = interval;
    wait(std::move(core), clock::now() + interval);
  }

  /// None comes any more, also if its time has come already.
  void end() noexcept
  {
    interval_.reset();
    alarm_.call_off();
  }

private:
  template <class Core>
  void wait(std::shared_ptr<Core> core, clock::time_point next);

  // While they are wanted.
  std::optional<clock::duration> interval_;
  io::alarm alarm_;
};

// Implementation

template <class Core>
void self_beats::wait(std::shared_ptr<Core> core, clock::time_point next)
{
  alarm_.set(next, [this, core = std::move(core), next] {
    const clock::time_point now = clock::now();
    const auto late = std::chrono::duration_cast<std::chrono::microseconds>(now - next);
    constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
    core->tell(wire::beat{static_cast<std::uint32_t>(late.count() < most ? late.count() : most)});
    // From now: who was held up does not have to make up for it.
    if (interval_) this->wait(core, now + *interval_);
  });
}

} // namespace cohort::detail
