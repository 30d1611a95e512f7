// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

namespace cohort::detail {

/// The credit of one listener's members: what each asks for, and what it may have of that, since a
/// worker's credit is spread over all its listeners.
class credit_accounts {
public:
  bool contains(worker_id worker) const noexcept { return accounts_.contains(worker); }

  /// Asks for nothing at first, and may have all.
  void open(worker_id worker) { accounts_[worker] = account(); }
  void close(worker_id worker) noexcept { accounts_.erase(worker); }

  // The window that is in force now; nothing when there is no such account.
  std::optional<std::uint32_t> ask(worker_id worker, std::uint32_t window) noexcept;
  std::optional<std::uint32_t> limit(worker_id worker, std::uint32_t limit) noexcept;

private:
  struct account {
    std::uint32_t window() const noexcept { return std::min(asked, limit); }

    std::uint32_t asked = 0;
    std::uint32_t limit = wire::max_outstanding;
  };

  std::map<worker_id, account> accounts_;
};

// Implementation

inline std::optional<std::uint32_t> credit_accounts::ask(
    worker_id worker, std::uint32_t window) noexcept
{
  const auto found = accounts_.find(worker);
  if (found == accounts_.end()) return std::nullopt;
  found->second.asked = window;
  return found->second.window();
}

inline std::optional<std::uint32_t> credit_accounts::limit(
    worker_id worker, std::uint32_t limit) noexcept
{
  const auto found = accounts_.find(worker);
  if (found == accounts_.end()) return std::nullopt;
  found->second.limit = limit;
  return found->second.window();
}

} // namespace cohort::detail
