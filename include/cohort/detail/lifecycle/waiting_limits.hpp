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

/// For how long a connection waits in the primary: by the policy's wish while a member is ready,
/// for a member to have room, or, while it is not served, for there to be a member.
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

  /// What becomes of those who wait while there is no member. Unless it is said nothing does.
  void set_unserved(overflow how) { unserved_ = std::move(how); }

  /// How many may wait for room. Unless something becomes of them then, the kernel keeps them.
  /// @param served whether there is a member, here and below.
  std::size_t without_room(bool served) const noexcept
  {
    return answers(served) ? in_force(served).limit() : 0;
  }

  /// Whether the policy has let it wait for long enough.
  bool is_overdue(const connection_info& connection, clock::time_point now) const noexcept
  {
    return now >= overdue_at(connection);
  }
  /// Whether one has waited for room for too long.
  bool has_overflowed(
      bool served, clock::time_point waits_since, clock::time_point now) const noexcept
  {
    return answers(served) && now >= waits_since + in_force(served).after();
  }

  /// When the first of these two will be.
  clock::time_point overdue_at(const connection_info& connection) const noexcept
  {
    return connection.arrival() + patience_;
  }
  std::optional<clock::time_point> overflows_at(
      bool served, clock::time_point waits_since) const noexcept
  {
    return answers(served) ? std::optional(waits_since + in_force(served).after()) : std::nullopt;
  }

  const overflow& in_force(bool served) const noexcept { return served ? overflow_ : unserved_; }

private:
  bool answers(bool served) const noexcept
  {
    return in_force(served).how() != overflow::answer::queue;
  }

  clock::duration patience_;
  overflow overflow_;
  overflow unserved_;
};

} // namespace cohort::detail
