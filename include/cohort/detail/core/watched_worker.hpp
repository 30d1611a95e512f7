// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/heartbeat_guard.hpp>
#include <cohort/detail/core/limited_worker.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/event.hpp>
#include <cohort/settings.hpp>

#include <asio/any_io_executor.hpp>

#include <csignal>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// A worker whose event loop is listened to, and what follows from its silence.
///
/// `Cluster` has, beside what a `limited_worker` needs, `connections().set_weight(worker,
/// weight)`.
template <class Cluster>
class watched_worker : public limited_worker<Cluster> {
  using base = limited_worker<Cluster>;

public:
  void set_weight(std::uint32_t weight) override
  {
    description_.weight = weight;
    if (!guard_.is_stalled()) spread(weight);
  }
  bool is_stalled() const noexcept override { return guard_.is_stalled(); }

  /// It was not heard for too long, or is heard again.
  void silence(heartbeat_step step);

protected:
  watched_worker(const asio::any_io_executor& executor, const candidate& description,
      Cluster& owner, std::shared_ptr<message_port> messages, const settings& how)
      : base(executor, description, owner, std::move(messages), how),
        guard_(executor, how)
  {
  }

  using base::cluster;
  using base::description_;
  using base::note;
  using base::state_;

  void publish_ready()
  {
    guard_.begin(self());
    base::publish_ready();
  }
  void note(const wire::beat& message)
  {
    this->lag_ = std::chrono::microseconds(message.lag);
    // Who drains takes as long as its deadline says.
    if (state_.takes_offers()) guard_.beat(self());
    else guard_.end();
  }
  void set_gone()
  {
    guard_.end();
    base::set_gone();
  }
  /// How often it is to be heard, in milliseconds; 0: it is not watched.
  std::uint32_t heartbeat_interval() const noexcept { return guard_.interval(); }

private:
  auto self() { return std::static_pointer_cast<watched_worker>(this->shared_from_this()); }
  void spread(std::uint32_t weight)
  {
    if (cluster()) cluster()->connections().set_weight(this->id(), weight);
  }

  heartbeat_guard guard_;
};

// Implementation

template <class Cluster>
void watched_worker<Cluster>::silence(heartbeat_step step)
{
  if (!state_.takes_offers()) return guard_.end();
  // It may have ended.
  std::error_code ignored;
  switch (step) {
  case heartbeat_step::none: break;
  case heartbeat_step::stalled: spread(0); return this->publish(stalled_event());
  case heartbeat_step::recovered:
    spread(description_.weight);
    return this->publish(recovered_event());
  case heartbeat_step::abort: this->hung_ = true; return this->kill(SIGABRT, ignored);
  case heartbeat_step::kill: return this->kill(SIGKILL, ignored);
  }
}

} // namespace cohort::detail
