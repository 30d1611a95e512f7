// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/counters.hpp>
#include <cohort/detail/lifecycle/counter_sum.hpp>
#include <cohort/totals.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace cohort::detail {

/// What was counted at listeners that are gone, by their addresses.
class listener_ledger {
public:
  /// So many addresses are remembered: who listens on any port may come to any number of them. What
  /// comes to further ones is counted under an empty one.
  static constexpr std::size_t max_addresses = 256;

  void add(std::string_view address, const connection_counters& counters)
  {
    at(address) += counters;
  }
  /// All zero when nothing is known of it.
  connection_counters of(std::string_view address) const
  {
    const auto found = std::ranges::find(all_, address, &listener_totals::address);
    return found == all_.end() ? connection_counters() : found->counters;
  }
  connection_counters sum() const noexcept
  {
    connection_counters sum;
    for (const listener_totals& each : all_) sum += each.counters;
    return sum;
  }
  const std::vector<listener_totals>& all() const noexcept { return all_; }

private:
  connection_counters& at(std::string_view address)
  {
    const auto found = std::ranges::find(all_, address, &listener_totals::address);
    if (found != all_.end()) return found->counters;
    if (all_.size() >= max_addresses && !address.empty()) return at({});
    listener_totals& added = all_.emplace_back();
    added.address = address;
    return added.counters;
  }

  std::vector<listener_totals> all_;
};

} // namespace cohort::detail
