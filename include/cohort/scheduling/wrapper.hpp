// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/detail/lifecycle/policy_calls.hpp>
#include <cohort/scheduling/policy.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace cohort {

/// The base of a policy that changes another one: passes every call on. Who derives from it writes
/// a `select` of its own, or one of the hooks, and calls `inner()`.
///
/// @code
/// // Nobody but the first two members before noon.
/// template <cohort::scheduling_policy Policy>
/// struct mornings : cohort::policy_wrapper<Policy> {
///   std::size_t select(std::span<const cohort::candidate> members,
///       const cohort::connection_info& connection) noexcept
///   {
///     return this->inner().select(is_morning() ? members.first(2) : members, connection);
///   }
/// };
/// @endcode
template <scheduling_policy Policy>
class policy_wrapper {
  static_assert(detail::check_hooks<Policy>());

public:
  static constexpr std::size_t peek = peek_of<Policy>;

  policy_wrapper() requires std::default_initializable<Policy>
  = default;
  constexpr explicit policy_wrapper(Policy policy) : calls_(std::move(policy)) {}

  constexpr Policy& inner() noexcept { return calls_.get(); }
  constexpr const Policy& inner() const noexcept { return calls_.get(); }

  std::size_t select(std::span<const candidate> members,
      const connection_info& connection) noexcept requires selects_member<Policy>
  {
    return inner().select(members, connection);
  }

  void on_join(const candidate& member) noexcept { calls_.joined(member); }
  void on_leave(const candidate& member) noexcept { calls_.leaves(member); }
  void on_taken(const candidate& member) noexcept { calls_.took(member); }
  void on_released(const candidate& member) noexcept { calls_.released(member); }
  void on_change(std::span<const candidate> members, std::size_t index) noexcept
  {
    calls_.changed(members, index);
  }
  constexpr bool own_sockets() const noexcept { return detail::wants_own_sockets(inner()); }
  auto patience() const noexcept requires requires(const Policy& policy) { policy.patience(); }
  {
    return inner().patience();
  }
  constexpr auto distribution() const noexcept requires requires(const Policy& policy)
  {
    policy.distribution();
  }
  {
    return inner().distribution();
  }
  auto peek_time() const noexcept requires requires(const Policy& policy) { policy.peek_time(); }
  {
    return inner().peek_time();
  }
  auto on_overflow() const requires requires(const Policy& policy) { policy.on_overflow(); }
  {
    return inner().on_overflow();
  }
  bool enough(std::span<const std::byte> first_bytes) const noexcept requires
      requires(const Policy& policy)
  {
    policy.enough(first_bytes);
  }
  {
    return inner().enough(first_bytes);
  }

private:
  detail::policy_calls<Policy> calls_{Policy()};
};

} // namespace cohort
