// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/role.hpp>
#include <cohort/error.hpp>

#include <chrono>
#include <functional>
#include <iostream>
#include <optional>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// What a worker does when its primary goes away, as its program has decided.
class primary_loss {
public:
  using duration = std::chrono::steady_clock::duration;

  /// Nothing: the process ends at once.
  void set_drain(std::optional<duration> limit) noexcept { drain_ = limit; }
  void set_last_words(std::function<int()> function) { last_words_ = std::move(function); }

  /// Whether this end of the channel is the primary's fault rather than its death.
  static bool is_violation(std::error_code why) noexcept
  {
    // One that dies while it writes breaks off in a frame.
    return why.category() == error_category() && why != error::truncated;
  }

  /// How long the worker drains now, or nothing: it ends at once. An end that was announced goes
  /// on, and whoever is served then keeps being served.
  std::optional<duration> drain(bool announced) const noexcept
  {
    return drain_ || !announced ? drain_ : duration(default_drain_);
  }

  /// Ends the process with the status that the last words give.
  /// @param clean_up called when they throw, before the exception goes on.
  template <class CleanUp>
  void end_process(CleanUp clean_up);

private:
  static constexpr std::chrono::seconds default_drain_{30};

  std::optional<duration> drain_;
  std::function<int()> last_words_;
};

// Implementation

template <class CleanUp>
void primary_loss::end_process(CleanUp clean_up)
{
  int status = 0;
  try {
    if (const auto words = std::exchange(last_words_, nullptr)) status = words();
  } catch (...) {
    clean_up();
    throw;
  }
  posix::exit_at_once(status);
}

} // namespace cohort::detail
