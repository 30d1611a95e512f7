// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/worker_core.hpp>
#include <cohort/detail/lifecycle/end_schedule.hpp>
#include <cohort/detail/lifecycle/group_place.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <csignal>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// Ends a worker that does not end by itself: its signals, each at its time.
///
/// A member of the worker it ends; the timer keeps that worker alive.
class escalation {
public:
  using clock = std::chrono::steady_clock;
  using duration = clock::duration;

  explicit escalation(const asio::any_io_executor& executor) : timer_(executor) {}

  /// SIGTERM in `deadline`, and `grace` after it SIGKILL; earlier when that was demanded before.
  void terminate_in(std::shared_ptr<worker_core> worker, duration deadline, duration grace)
  {
    schedule_.terminate_at(after(clock::now(), deadline), grace);
    wait(std::move(worker));
  }

  /// SIGKILL in `grace`; earlier when that was demanded before.
  void kill_in(std::shared_ptr<worker_core> worker, duration grace)
  {
    schedule_.kill_at(clock::now() + grace);
    wait(std::move(worker));
  }

  /// The worker is dead.
  void cancel()
  {
    schedule_ = end_schedule<clock>();
    timer_.cancel();
  }

private:
  void wait(std::shared_ptr<worker_core> worker);
  void act(std::shared_ptr<worker_core> worker);

  end_schedule<clock> schedule_;
  asio::steady_timer timer_;
};

// Implementation

inline void escalation::wait(std::shared_ptr<worker_core> worker)
{
  const auto next = schedule_.next();
  if (!next) return;
  timer_.expires_at(*next);
  timer_.async_wait([this, worker = std::move(worker)](std::error_code cancelled) {
    if (!cancelled) act(worker);
  });
}

inline void escalation::act(std::shared_ptr<worker_core> worker)
{
  if (worker->state().is_dead()) return;
  // It may be dead already.
  std::error_code ignored;
  switch (schedule_.due(clock::now())) {
  case end_step::none: break;
  case end_step::terminate: worker->kill(SIGTERM, ignored); break;
  case end_step::kill: worker->kill(SIGKILL, ignored); break;
  }
  wait(std::move(worker));
}

} // namespace cohort::detail
