// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/lifecycle/signal_orders.hpp>
#include <cohort/detail/supervision/group_table.hpp>
#include <cohort/reload_options.hpp>
#include <cohort/reload_result.hpp>

#include <system_error>
#include <vector>

namespace cohort::detail {

/// Passes an order that is for the groups to all of them; false when it is none for groups.
inline bool pass_order(signal_order order, const group_table& groups, const reload_options& how)
{
  if (order == signal_order::drain || order == signal_order::kill) return false;
  if (order == signal_order::upgrade) return false;
  const auto told_by_event = [](std::error_code, const reload_result&) {};
  // Any of them may be over by it.
  for (const group_table::group_pointer& each : std::vector(groups.all())) {
    // New workers are what a reload brings.
    const bool begins = order == signal_order::reload || order == signal_order::grow;
    if (begins && each->wake()) continue;
    if (order == signal_order::reload) each->reload(told_by_event, how);
    else if (order == signal_order::grow) each->grow();
    else if (order == signal_order::shrink) each->shrink();
    else if (order == signal_order::rest) each->rest();
  }
  return true;
}

} // namespace cohort::detail
