// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/event.hpp>
#include <cohort/exit_status.hpp>
#include <cohort/restart_policy.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>

namespace cohort::detail {

/// How a worker ended, as far as its group cares.
enum class worker_end : std::uint8_t {
  /// It had been told to, or had said that it would.
  announced,
  /// With status 0.
  normal,
  /// By a signal or with any other status.
  died,
  restart_at_once,
  retired,
  permanent_failure,
};

/// What `status` of a worker means under this policy.
worker_end judge(const exit_status& status, bool announced, const restart_policy& policy);

/// How many deaths there were within a window of time.
class death_window {
public:
  using time = std::chrono::steady_clock::time_point;

  /// One more. True: with it there are more than `limit` within the last `window`.
  bool add(time now, std::size_t limit, restart_policy::duration window);

  void clear() noexcept { deaths_.clear(); }

private:
  // At most one more than the limit, the oldest first.
  std::deque<time> deaths_;
};

/// The pause before the start that follows so many others in the same place, none of which stayed:
/// nothing for 0, then `first_pause`, twice that and so on.
/// @param random 0 to 1, where in the range of the jitter.
restart_policy::duration pause_before(unsigned starts, const restart_policy& policy, double random);

/// Decides what follows the end of a worker, from all the ends there were.
class restart_counts {
public:
  using time = std::chrono::steady_clock::time_point;

  /// What follows.
  struct verdict {
    /// Nobody takes the place.
    bool finished = false;
    /// Nobody does before that.
    restart_policy::duration pause{};
    std::optional<give_up_reason> gives_up;
  };

  restart_counts(const restart_policy& policy, std::uint32_t seed) : policy_(policy), random_(seed)
  {
  }

  const restart_policy& policy() const noexcept { return policy_; }

  /// A worker ended.
  /// @param starts starts in a row in its place after which nobody stayed; counted on here.
  /// @param ready_since unset when it never was.
  /// @param count how many workers the group is to have.
  /// @param alone whether nobody else was in its place: else that is not finished by this.
  verdict ended(unsigned& starts, std::optional<time> ready_since, worker_end how, unsigned count,
      time now, bool alone = true);

  /// A worker is to be replaced while it serves.
  /// @param before how many in a row in its place had enough soon; counted on here.
  /// @return how long to wait with the next one, lest workers that have enough at once are started
  ///   one after the other.
  restart_policy::duration retired(unsigned& before, time since, time now);

  /// A worker is ready.
  void booted() noexcept { boot_failures_ = 0; }

  /// What was counted says nothing any more.
  void forget() noexcept
  {
    deaths_.clear();
    boot_failures_ = 0;
  }

private:
  bool too_often(time now, unsigned count)
  {
    return deaths_.add(now, std::size_t(policy_.intensity()) * count, policy_.window());
  }

  restart_policy policy_;
  death_window deaths_;
  unsigned boot_failures_ = 0;
  std::minstd_rand random_;
};

// Implementation

inline worker_end judge(const exit_status& status, bool announced, const restart_policy& policy)
{
  if (announced) return worker_end::announced;
  switch (status.has_code() ? policy.meaning(status.code()) : exit_meaning::usual) {
  case exit_meaning::restart_at_once: return worker_end::restart_at_once;
  case exit_meaning::retire: return worker_end::retired;
  case exit_meaning::permanent_failure: return worker_end::permanent_failure;
  case exit_meaning::usual: break;
  }
  return status.success() ? worker_end::normal : worker_end::died;
}

inline bool death_window::add(time now, std::size_t limit, restart_policy::duration window)
{
  deaths_.push_back(now);
  while (now - deaths_.front() >= window || deaths_.size() > limit + 1) deaths_.pop_front();
  return deaths_.size() > limit;
}

inline restart_policy::duration pause_before(
    unsigned starts, const restart_policy& policy, double random)
{
  using duration = restart_policy::duration;
  if (starts == 0) return duration::zero();
  duration pause = policy.first_pause();
  while (--starts != 0 && pause < policy.longest_pause()) pause *= 2;
  pause = std::min(pause, policy.longest_pause());
  const double factor = 1 + policy.jitter() * (2 * random - 1);
  return std::chrono::duration_cast<duration>(pause * factor);
}

inline restart_policy::duration restart_counts::retired(unsigned& before, time since, time now)
{
  if (now - since >= policy_.reset_after()) before = 0;
  const double where = std::uniform_real_distribution<double>(0, 1)(random_);
  return pause_before(before++, policy_, where);
}

inline auto restart_counts::ended(unsigned& starts, std::optional<time> ready_since, worker_end how,
    unsigned count, time now, bool alone) -> verdict
{
  verdict said;
  if (how == worker_end::permanent_failure) {
    said.gives_up = give_up_reason::permanent_failure;
    return said;
  }
  const bool normal = how == worker_end::announced || how == worker_end::normal;
  said.finished = alone && (how == worker_end::retired || policy_.kind() == restart::temporary ||
                               (policy_.kind() == restart::transient && normal));
  if (said.finished) return said;
  if (ready_since && now - *ready_since >= policy_.reset_after()) starts = 0;
  // One that never was ready makes the next one wait from the first time on.
  const unsigned before = ready_since ? starts : starts + 1;
  ++starts;
  const double where = std::uniform_real_distribution<double>(0, 1)(random_);
  if (how != worker_end::restart_at_once || !ready_since)
    said.pause = pause_before(before, policy_, where);
  if (!ready_since) {
    if (++boot_failures_ >= policy_.boot_failures()) said.gives_up = give_up_reason::never_ready;
  } else if (!normal && too_often(now, count)) {
    said.gives_up = give_up_reason::died_too_often;
  }
  return said;
}

} // namespace cohort::detail
