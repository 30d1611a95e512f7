// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/lifecycle/heartbeat_watch.hpp>
#include <cohort/settings.hpp>

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

namespace cohort::detail {

/// Watches a worker's event loop as its settings say. Its owner has `silence(heartbeat_step)`, and
/// is kept alive as long as it watches.
class heartbeat_guard {
public:
  using clock = heartbeat_watch::clock;

  heartbeat_guard(const asio::any_io_executor& executor, const settings& how)
      : interval_(how.heartbeat()),
        watch_(interval_, how.heartbeat_misses(), how.kill_grace()),
        alarm_(executor)
  {
  }

  /// How often it is to be heard, in milliseconds; 0: it is not watched.
  std::uint32_t interval() const noexcept
  {
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(interval_).count());
  }
  bool is_stalled() const noexcept { return watch_.runs() && watch_.is_stalled(); }

  /// It serves from now on.
  template <class Owner>
  void begin(std::shared_ptr<Owner> owner)
  {
    if (interval() == 0 || watch_.runs()) return;
    watch_.begin(clock::now());
    wait(std::move(owner));
  }

  /// It was heard.
  template <class Owner>
  void beat(std::shared_ptr<Owner> owner)
  {
    const heartbeat_step step = watch_.beat(clock::now());
    if (step != heartbeat_step::none) owner->silence(step);
    wait(std::move(owner));
  }

  /// It ends in another way.
  void end() noexcept
  {
    watch_.end();
    alarm_.call_off();
  }

private:
  template <class Owner>
  void wait(std::shared_ptr<Owner> owner)
  {
    const auto next = watch_.next();
    if (!next) return alarm_.call_off();
    alarm_.set(*next, [this, owner = std::move(owner)] {
      const heartbeat_step step = watch_.tick(clock::now());
      if (step != heartbeat_step::none) owner->silence(step);
      this->wait(owner);
    });
  }

  heartbeat_watch::duration interval_;
  heartbeat_watch watch_;
  io::alarm alarm_;
};

} // namespace cohort::detail
