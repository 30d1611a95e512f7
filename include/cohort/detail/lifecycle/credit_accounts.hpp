// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/credit_pace.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

namespace cohort::detail {

/// The credit of one listener's members: what each asks for, and what it may have of that. A
/// worker's credit is spread over all its listeners, and it may want it to be paced.
class credit_accounts {
public:
  bool contains(worker_id worker) const noexcept { return accounts_.contains(worker); }

  /// Asks for nothing at first, and may have all, or what its pace allows.
  void open(worker_id worker, bool paced = false)
  {
    accounts_[worker] = account();
    if (paced) accounts_[worker].pace.emplace(starved_);
  }
  void close(worker_id worker) noexcept { accounts_.erase(worker); }

  // The window that is in force now; nothing when there is no such account.
  std::optional<std::uint32_t> ask(worker_id worker, std::uint32_t window) noexcept;
  std::optional<std::uint32_t> limit(worker_id worker, std::uint32_t limit) noexcept;

  bool is_paced(worker_id worker) const noexcept
  {
    const auto found = accounts_.find(worker);
    return found != accounts_.end() && found->second.pace;
  }
  /// As `credit_pace::taken`, for a paced account: the window from now on.
  std::uint32_t taken(worker_id worker, std::uint32_t count, credit_pace::clock::time_point sent,
      credit_pace::clock::time_point now) noexcept;
  /// A connection waits because nobody has room.
  void starved() noexcept { ++starved_; }

private:
  struct account {
    std::uint32_t window() const noexcept
    {
      return std::min({asked, limit, pace ? pace->window() : asked});
    }

    std::uint32_t asked = 0;
    std::uint32_t limit = wire::max_outstanding;
    std::optional<credit_pace> pace;
  };

  std::map<worker_id, account> accounts_;
  std::uint64_t starved_ = 0;
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

inline std::uint32_t credit_accounts::taken(worker_id worker, std::uint32_t count,
    credit_pace::clock::time_point sent, credit_pace::clock::time_point now) noexcept
{
  account& paced = accounts_.find(worker)->second;
  // While it asks for nothing, for it is full, that says nothing of its pace.
  const std::uint32_t most = paced.asked != 0 ? std::min(paced.asked, paced.limit) : paced.limit;
  paced.pace->taken(count, sent, now, starved_, std::max(most, 1U));
  return paced.window();
}

} // namespace cohort::detail
