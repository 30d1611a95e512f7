// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/counters.hpp>

namespace cohort::detail {

/// Adds up what was counted in two places.
inline connection_counters& operator+=(
    connection_counters& sum, const connection_counters& more) noexcept
{
  sum.accepted += more.accepted;
  sum.offered += more.offered;
  sum.taken += more.taken;
  sum.refused += more.refused;
  sum.redispatched += more.redispatched;
  sum.lost += more.lost;
  sum.closed += more.closed;
  sum.overflowed += more.overflowed;
  sum.unserved += more.unserved;
  return sum;
}

} // namespace cohort::detail
