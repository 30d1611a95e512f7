// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <stdexcept>

namespace cohort {

/// Which ends of a worker are followed by another one in its place. Source: OTP's `restart`.
enum class restart : std::uint8_t {
  /// All of them. The default.
  permanent,
  /// All but a normal one: status 0, or announced.
  transient,
  /// None.
  temporary,
};

/// What a status says that a worker ends with by itself.
enum class exit_meaning : std::uint8_t {
  /// What it says by itself: 0 is a normal end, all others are deaths.
  usual,
  /// Another one is to be started without delay. It counts as a death all the same, so that this
  /// cannot go on for ever.
  restart_at_once,
  /// The worker has done all there was to do: nobody takes its place.
  retire,
  /// No other worker would do better: the group gives up, and does not try again by itself.
  permanent_failure,
};

/// When a group starts workers in place of those that ended, and when it gives up.
///
/// A worker that dies is replaced at once; if that one dies soon as well, the next one follows
/// after a pause, which doubles each time. Workers that die before they are ready are counted apart
/// from those that die later, and wait from the first time on. A worker dies when it ends by a
/// signal, by a status that is no normal end, or without having been ready.
class restart_policy {
public:
  using duration = std::chrono::steady_clock::duration;

  restart_policy() = default;

  /// Which ends are followed by a start. Default: all.
  restart_policy& kind(restart value) & { return set(kind_, value); }
  restart_policy kind(restart value) && { return kind(value); }

  /// How many workers may die within `window`, for each worker that the group is to have; with one
  /// more it gives up. Default: 5 in 60 seconds.
  restart_policy& intensity(unsigned deaths, duration window) &;
  restart_policy intensity(unsigned deaths, duration window) &&
  {
    return intensity(deaths, window);
  }

  /// The first pause before a start in the same place, and the longest, before they vary. Default:
  /// 100 milliseconds and 30 seconds.
  restart_policy& backoff(duration first, duration longest) &;
  restart_policy backoff(duration first, duration longest) && { return backoff(first, longest); }

  /// By how much each pause varies, as a share of it either way, so that places do not start in
  /// step. 0 to 1. Default: 0.25.
  restart_policy& jitter(double share) &;
  restart_policy jitter(double share) && { return jitter(share); }

  /// A worker that served for so long is healthy: pauses begin anew. Default: 30 seconds.
  restart_policy& reset_after(duration value) & { return set(reset_after_, value); }
  restart_policy reset_after(duration value) && { return reset_after(value); }

  /// How long a worker may take until it is ready; then it is killed. Default: 30 seconds.
  restart_policy& boot_deadline(duration value) & { return set(boot_deadline_, value); }
  restart_policy boot_deadline(duration value) && { return boot_deadline(value); }

  /// How many starts of the group may fail one after another, no worker becoming ready between
  /// them; with the last of them it gives up. Default: 5.
  restart_policy& boot_failures(unsigned starts) &;
  restart_policy boot_failures(unsigned starts) && { return boot_failures(starts); }

  /// How long a group that gave up rests before it tries again. Default: 60 seconds.
  /// Source: `pm`'s `pause_after_fatal`.
  restart_policy& pause(duration value) &
  {
    check(value > duration::zero());
    return set(pause_, value);
  }
  restart_policy pause(duration value) && { return pause(value); }

  /// What this exit status, 0 to 255, means. Default: the usual.
  restart_policy& exit_code(int status, exit_meaning meaning) &;
  restart_policy exit_code(int status, exit_meaning meaning) &&
  {
    return exit_code(status, meaning);
  }

  restart kind() const noexcept { return kind_; }
  unsigned intensity() const noexcept { return intensity_; }
  duration window() const noexcept { return window_; }
  duration first_pause() const noexcept { return first_pause_; }
  duration longest_pause() const noexcept { return longest_pause_; }
  double jitter() const noexcept { return jitter_; }
  duration reset_after() const noexcept { return reset_after_; }
  duration boot_deadline() const noexcept { return boot_deadline_; }
  unsigned boot_failures() const noexcept { return boot_failures_; }
  duration pause() const noexcept { return pause_; }
  exit_meaning meaning(int status) const;

private:
  template <class T>
  restart_policy& set(T& field, T value)
  {
    field = value;
    return *this;
  }
  static void check(bool good)
  {
    if (!good) throw std::invalid_argument("cohort: bad value in a restart policy");
  }

  restart kind_ = restart::permanent;
  unsigned intensity_ = 5;
  duration window_ = std::chrono::seconds(60);
  duration first_pause_ = std::chrono::milliseconds(100);
  duration longest_pause_ = std::chrono::seconds(30);
  double jitter_ = 0.25;
  duration reset_after_ = std::chrono::seconds(30);
  duration boot_deadline_ = std::chrono::seconds(30);
  unsigned boot_failures_ = 5;
  duration pause_ = std::chrono::seconds(60);
  std::map<int, exit_meaning> meanings_;
};

// Implementation

inline restart_policy& restart_policy::intensity(unsigned deaths, duration window) &
{
  check(window > duration::zero());
  intensity_ = deaths;
  return set(window_, window);
}

inline restart_policy& restart_policy::backoff(duration first, duration longest) &
{
  check(first > duration::zero() && longest >= first);
  first_pause_ = first;
  return set(longest_pause_, longest);
}

inline restart_policy& restart_policy::jitter(double share) &
{
  check(share >= 0 && share <= 1);
  return set(jitter_, share);
}

inline restart_policy& restart_policy::boot_failures(unsigned starts) &
{
  check(starts != 0);
  return set(boot_failures_, starts);
}

inline restart_policy& restart_policy::exit_code(int status, exit_meaning meaning) &
{
  check(status >= 0 && status <= 255);
  meanings_.insert_or_assign(status, meaning);
  return *this;
}

inline exit_meaning restart_policy::meaning(int status) const
{
  const auto found = meanings_.find(status);
  return found == meanings_.end() ? exit_meaning::usual : found->second;
}

} // namespace cohort
