// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/announced_worker.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/io/usage_probe.hpp>
#include <cohort/detail/lifecycle/recycling.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/event.hpp>
#include <cohort/settings.hpp>

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// A worker that should be replaced when it has done or used enough, as its settings say.
///
/// `Cluster` is as for an `announced_worker`.
template <class Cluster>
class limited_worker : public announced_worker<Cluster> {
  using base = announced_worker<Cluster>;
  using clock = std::chrono::steady_clock;

public:
  io::process_usage usage() override;
  void serves() override;

protected:
  limited_worker(const asio::any_io_executor& executor, const candidate& description,
      Cluster& cluster, std::shared_ptr<message_port> messages, const settings& how)
      : base(executor, description, cluster, std::move(messages)),
        recycling_(limits_of(how), how.retire_jitter(), std::random_device()()),
        probe_(how.usage_interval()),
        alarm_(executor)
  {
  }

  using base::note;
  using base::state_;

  void publish_ready()
  {
    serves();
    base::publish_ready();
  }
  void note(const wire::served& message)
  {
    this->requests_ += message.count;
    retire(recycling_.served(this->requests_));
  }
  void note(const wire::replace&) { retire(recycling_.asked()); }
  void set_gone()
  {
    alarm_.call_off();
    base::set_gone();
  }

private:
  static recycle_limits limits_of(const settings& how)
  {
    return {how.max_requests(), how.max_age(), how.max_memory(), how.max_descriptors()};
  }

  auto self() { return std::static_pointer_cast<limited_worker>(this->shared_from_this()); }
  // Nobody has decided yet that it is to go.
  bool stays() const noexcept
  {
    return state_.is_connected() && !state_.is_dead() && !state_.exited_after_disconnect();
  }
  void retire(std::optional<retire_reason> why);
  void look(clock::time_point now);
  void wait();

  recycling recycling_;
  io::usage_probe probe_;
  io::alarm alarm_;
};

// Implementation

template <class Cluster>
io::process_usage limited_worker<Cluster>::usage()
{
  const clock::time_point now = clock::now();
  if (now >= probe_.due_at() && !state_.is_dead()) look(now);
  return probe_.last();
}

template <class Cluster>
void limited_worker<Cluster>::serves()
{
  recycling_.begin(clock::now());
  wait();
}

template <class Cluster>
void limited_worker<Cluster>::retire(std::optional<retire_reason> why)
{
  if (!why || !stays()) return;
  retire_event event;
  event.reason = *why;
  this->publish(event);
}

template <class Cluster>
void limited_worker<Cluster>::look(clock::time_point now)
{
  const std::error_code failure = probe_.look(*this->process_, now);
  if (failure) this->report("usage", failure);
  retire(recycling_.sampled(probe_.last().memory, probe_.last().descriptors));
}

// For the first limit that time can bring about; without one there is nothing to wait for.
template <class Cluster>
void limited_worker<Cluster>::wait()
{
  const auto end = recycling_.ends_at();
  std::optional<clock::time_point> next = end;
  if (recycling_.wants_samples())
    next = end ? std::min(*end, probe_.due_at()) : std::optional(probe_.due_at());
  if (!next || !stays()) return alarm_.call_off();
  alarm_.set(*next, [self = self()] {
    const clock::time_point now = clock::now();
    if (self->recycling_.wants_samples() && now >= self->probe_.due_at()) self->look(now);
    self->retire(self->recycling_.tick(now));
    self->wait();
  });
}

} // namespace cohort::detail
