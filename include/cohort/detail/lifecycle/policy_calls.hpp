// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/overflow.hpp>

#include <cassert>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <span>
#include <utility>

namespace cohort::detail {

/// A policy, of which every hook can be called whether it is there or not.
template <class Policy>
class policy_calls {
public:
  using clock = connection_info::clock;
  using members = std::span<const candidate>;

  constexpr explicit policy_calls(Policy policy) : policy_(std::move(policy)) {}

  constexpr Policy& get() noexcept { return policy_; }
  constexpr const Policy& get() const noexcept { return policy_; }

  /// The index of a member that is ready, or `wait`. Of a policy that leaves it to the kernel: one
  /// for a connection that the kernel gave to nobody.
  std::size_t select(members all, const connection_info& connection) noexcept
  {
    if constexpr (requires { policy_.select(all, connection); }) {
      const std::size_t chosen = policy_.select(all, connection);
      if (chosen < all.size() && all[chosen].ready()) return chosen;
      assert(chosen == wait && "select must return the index of a ready member, or wait");
      return wait;
    } else {
      return least_offered(all);
    }
  }

  /// Any member that is ready, or `wait`.
  static std::size_t least_offered(members all) noexcept
  {
    std::size_t best = wait;
    for (std::size_t i = 0; i != all.size(); ++i)
      if (all[i].ready() && (best == wait || all[i].offers < all[best].offers)) best = i;
    return best;
  }

  /// How long a connection may wait by the policy's wish while a member is ready.
  clock::duration patience() const noexcept
  {
    // A wrong one is explained by `check_hooks`.
    if constexpr (requires {
                    {
                      policy_.patience()
                      } -> std::convertible_to<clock::duration>;
                  })
      return policy_.patience();
    else return std::chrono::seconds(5);
  }

  /// Whether a connection may be scheduled that begins with these bytes, of which more may come.
  bool enough(std::span<const std::byte> first_bytes) const noexcept
  {
    if constexpr (requires { policy_.enough(first_bytes); }) return policy_.enough(first_bytes);
    else return !first_bytes.empty();
  }

  /// How long its first bytes are waited for.
  clock::duration peek_time() const noexcept
  {
    if constexpr (requires {
                    {
                      policy_.peek_time()
                      } -> std::convertible_to<clock::duration>;
                  })
      return policy_.peek_time();
    else return std::chrono::seconds(1);
  }

  /// What becomes of connections that nobody has room for.
  overflow on_overflow() const
  {
    if constexpr (requires {
                    {
                      policy_.on_overflow()
                      } -> std::convertible_to<overflow>;
                  })
      return policy_.on_overflow();
    else return overflow();
  }

  void joined(const candidate& member) noexcept
  {
    if constexpr (requires { policy_.on_join(member); }) policy_.on_join(member);
  }
  void leaves(const candidate& member) noexcept
  {
    if constexpr (requires { policy_.on_leave(member); }) policy_.on_leave(member);
  }
  void took(const candidate& member) noexcept
  {
    if constexpr (requires { policy_.on_taken(member); }) policy_.on_taken(member);
  }
  void released(const candidate& member) noexcept
  {
    if constexpr (requires { policy_.on_released(member); }) policy_.on_released(member);
  }
  void changed(members all, std::size_t index) noexcept
  {
    if constexpr (requires { policy_.on_change(all, index); }) policy_.on_change(all, index);
  }

private:
  // Most policies have a state, but nobody pays for one that has none.
  [[no_unique_address]] Policy policy_;
};

} // namespace cohort::detail
