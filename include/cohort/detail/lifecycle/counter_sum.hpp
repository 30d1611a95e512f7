// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/totals/counter_fields.hpp>

namespace cohort::detail {

/// Adds up what was counted in two places.
template <class Counters>
requires(counter_fields<Counters>.size() != 0) Counters& operator+=(
    Counters& sum, const Counters& more) noexcept
{
  for (const auto& [name, field] : counter_fields<Counters>) sum.*field += more.*field;
  return sum;
}

} // namespace cohort::detail
