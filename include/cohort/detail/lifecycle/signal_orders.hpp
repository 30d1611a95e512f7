// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/end_signals.hpp>

#include <csignal>
#include <cstdint>

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

/// How things are when a signal comes.
struct signal_circumstances {
  end_signals::clock::time_point now;
  /// Whether this process has a controlling terminal, which sends SIGWINCH by itself when its size
  /// changes: then that asks for nothing.
  bool has_terminal = false;
  /// See `end_signals::is_second`.
  bool passed_on = false;
};

/// Knows which signal asks for what.
class signal_orders {
public:
  signal_order next(int number, const signal_circumstances& when) noexcept
  {
    switch (number) {
    case SIGHUP:
    case SIGUSR1: return signal_order::reload;
    case SIGUSR2: return signal_order::upgrade;
    case SIGTTIN: return signal_order::grow;
    case SIGTTOU: return signal_order::shrink;
    case SIGWINCH: return when.has_terminal ? signal_order::none : signal_order::rest;
    default:
      return ends_.is_second(when.now, when.passed_on) ? signal_order::kill : signal_order::drain;
    }
  }

private:
  end_signals ends_;
};

} // namespace cohort::detail
