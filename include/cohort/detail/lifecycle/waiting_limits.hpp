// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/connection_info.hpp>
#include <cohort/overflow.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

namespace cohort::detail {

/// For how long a connection waits in the primary: by the policy's wish while a member is ready, or
/// for a member to have room.
class waiting_limits {
public:
  using clock = connection_info::clock;

  /// @param policy the `policy_calls` of one.
  template <class Calls>
  explicit waiting_limits(const Calls& policy)
      : waiting_limits(policy.patience(), policy.on_overflow())
  {
  }
  waiting_limits(clock::duration patience, overflow when_full)
      : patience_(std::clamp<clock::duration>(patience, clock::duration(0), overflow::longest)),
        overflow_(std::move(when_full))
  {
  }

  /// How many may wait for room. Unless something becomes of them then, the kernel keeps them.
  std::size_t without_room() const noexcept { return answers() ? overflow_.limit() : 0; }

  /// Whether the policy has let it wait for long enough.
  bool is_overdue(const connection_info& connection, clock::time_point now) const noexcept
  {
    return now >= overdue_at(connection);
  }
  /// Whether one has waited for room for too long.
  bool has_overflowed(clock::time_point waits_since, clock::time_point now) const noexcept
  {
    return answers() && now >= waits_since + overflow_.after();
  }

  /// When the first of these two will be.
  clock::time_point overdue_at(const connection_info& connection) const noexcept
  {
    return connection.arrival() + patience_;
  }
  std::optional<clock::time_point> overflows_at(clock::time_point waits_since) const noexcept
  {
    return answers() ? std::optional(waits_since + overflow_.after()) : std::nullopt;
  }

  const overflow& on_overflow() const noexcept { return overflow_; }

private:
  bool answers() const noexcept { return overflow_.how() != overflow::answer::queue; }

  clock::duration patience_;
  overflow overflow_;
};

} // namespace cohort::detail
