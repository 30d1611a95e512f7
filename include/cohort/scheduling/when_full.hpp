// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/overflow.hpp>
#include <cohort/scheduling/policy.hpp>
#include <cohort/scheduling/wrapper.hpp>

#include <concepts>
#include <utility>

namespace cohort {

/// Chooses as the inner policy does, and says what becomes of connections that no worker has room
/// for. The inner policy has to choose: where the kernel does, nobody is there to answer.
///
/// @code
/// cohort::when_full busy(cohort::overflow::refuse("HTTP/1.1 503 Service Unavailable\r\n"
///                                                 "Connection: close\r\n\r\n"),
///     cohort::least_connections());
/// @endcode
template <selects_member Policy>
class when_full : public policy_wrapper<Policy> {
public:
  when_full() requires std::default_initializable<Policy>
  = default;
  explicit when_full(overflow what) requires std::default_initializable<Policy>
      : overflow_(std::move(what))
  {
  }
  when_full(overflow what, Policy policy)
      : policy_wrapper<Policy>(std::move(policy)),
        overflow_(std::move(what))
  {
  }

  const overflow& on_overflow() const noexcept { return overflow_; }

private:
  overflow overflow_;
};

} // namespace cohort
