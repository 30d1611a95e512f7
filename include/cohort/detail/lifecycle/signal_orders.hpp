// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>
#include <cstdint>
#include <utility>

namespace cohort::detail {

/// What a signal asks of a supervisor.
enum class signal_order : std::uint8_t {
  /// Nothing.
  none,
  /// All workers drain, and all ends.
  drain,
  /// The same at once.
  kill,
  /// All groups reload; groups that rest begin again.
  reload,
  /// A newer program takes over.
  upgrade,
  /// Groups that may get one worker more.
  grow,
  /// They lose one.
  shrink,
  /// The workers of all groups drain, and nothing else ends.
  rest,
};

/// Knows which signal asks for what.
class signal_orders {
public:
  /// @param has_terminal whether this process has a controlling terminal, which sends SIGWINCH by
  ///   itself when its size changes: then that asks for nothing.
  signal_order next(int number, bool has_terminal) noexcept
  {
    switch (number) {
    case SIGHUP:
    case SIGUSR1: return signal_order::reload;
    case SIGUSR2: return signal_order::upgrade;
    case SIGTTIN: return signal_order::grow;
    case SIGTTOU: return signal_order::shrink;
    case SIGWINCH: return has_terminal ? signal_order::none : signal_order::rest;
    default: return std::exchange(ends_, true) ? signal_order::kill : signal_order::drain;
    }
  }

private:
  bool ends_ = false;
};

} // namespace cohort::detail
