// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/event.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <utility>

namespace cohort::detail {

/// After what a worker should be replaced; 0: nothing of that kind.
struct recycle_limits {
  std::uint64_t requests = 0;
  /// Since it serves.
  std::chrono::steady_clock::duration age{};
  /// In bytes.
  std::uint64_t memory = 0;
  std::uint64_t descriptors = 0;
};

/// Decides when a worker has had enough, and says so once.
class recycling {
public:
  using time = std::chrono::steady_clock::time_point;
  using duration = time::duration;
  using reason = std::optional<retire_reason>;

  /// @param jitter each limit is lowered by a share of it that is drawn between 0 and this, so that
  ///   workers which began together do not have enough together.
  recycling(const recycle_limits& limits, double jitter, std::uint32_t seed);

  /// What holds for this worker.
  const recycle_limits& limits() const noexcept { return limits_; }

  /// It serves from now on: what it uses, and how long, counts.
  void begin(time now) noexcept
  {
    if (!since_) since_ = now;
  }

  /// It has answered so many requests in all.
  reason served(std::uint64_t requests) noexcept
  {
    return exceeds(requests, limits_.requests) ? say(retire_reason::requests) : std::nullopt;
  }
  /// It wants it.
  reason asked() noexcept { return say(retire_reason::asked); }
  /// What it uses, as far as it is known.
  reason sampled(
      std::optional<std::uint64_t> memory, std::optional<std::uint64_t> descriptors) noexcept;
  /// Time has passed.
  reason tick(time now) noexcept
  {
    const auto end = ends_at();
    return end && now >= *end ? say(retire_reason::age) : std::nullopt;
  }

  /// When `tick` is wanted.
  std::optional<time> ends_at() const noexcept;
  /// Whether `sampled` can decide anything.
  bool wants_samples() const noexcept
  {
    return since_ && !said_ && (limits_.memory != 0 || limits_.descriptors != 0);
  }

private:
  static bool exceeds(std::uint64_t what, std::uint64_t limit) noexcept
  {
    return limit != 0 && what >= limit;
  }
  reason say(retire_reason why) noexcept
  {
    return std::exchange(said_, true) ? std::nullopt : reason(why);
  }

  recycle_limits limits_;
  std::optional<time> since_;
  bool said_ = false;
};

// Implementation

inline recycling::recycling(const recycle_limits& limits, double jitter, std::uint32_t seed)
    : limits_(limits)
{
  std::minstd_rand random(seed);
  const auto lower = [&](auto limit) {
    using type = decltype(limit);
    const double share = std::uniform_real_distribution<double>(0, jitter)(random);
    const double whole = static_cast<double>(limit), less = whole * share;
    // Never 0, which would stand for no limit.
    const auto lowered = less < whole ? limit - static_cast<type>(less) : type(1);
    return limit == 0 ? limit : std::max<type>(lowered, 1);
  };
  limits_.requests = lower(limits.requests);
  limits_.age = duration(lower(limits.age.count()));
  limits_.memory = lower(limits.memory);
  limits_.descriptors = lower(limits.descriptors);
}

inline auto recycling::sampled(std::optional<std::uint64_t> memory,
    std::optional<std::uint64_t> descriptors) noexcept -> reason
{
  if (!since_) return std::nullopt;
  if (exceeds(memory.value_or(0), limits_.memory)) return say(retire_reason::memory);
  if (exceeds(descriptors.value_or(0), limits_.descriptors)) return say(retire_reason::descriptors);
  return std::nullopt;
}

inline auto recycling::ends_at() const noexcept -> std::optional<time>
{
  if (!since_ || said_ || limits_.age == duration::zero()) return std::nullopt;
  return limits_.age < time::max() - *since_ ? *since_ + limits_.age : time::max();
}

} // namespace cohort::detail
