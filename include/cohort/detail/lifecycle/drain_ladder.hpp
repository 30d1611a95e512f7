// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/drain_steps.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace cohort::detail {

/// How far a drain has come.
enum class drain_rung : std::uint8_t {
  serving,  ///< it has not begun
  closing,  ///< who is idle ends after a grace
  total,    ///< all have got total cancellation
  terminal, ///< all have got terminal cancellation
  closed,   ///< all sockets are closed
};

/// Which step of a drain is due when.
template <class Clock>
class drain_ladder {
public:
  using time_point = typename Clock::time_point;

  explicit drain_ladder(const drain_steps& steps) noexcept : steps_(steps) {}

  drain_rung rung() const noexcept { return rung_; }

  /// The drain begins; nothing the second time.
  void begin(time_point now) noexcept
  {
    if (rung_ != drain_rung::serving) return;
    rung_ = drain_rung::closing;
    begin_ = now;
  }

  /// Nothing is left to be done.
  void end() noexcept { rung_ = drain_rung::closed; }

  /// Climbs one rung if it is time for it. One only, however late it is: between two of them the
  /// connections have their turn.
  bool climb(time_point now) noexcept
  {
    const auto when = next();
    if (!when || *when > now) return false;
    rung_ = static_cast<drain_rung>(static_cast<std::uint8_t>(rung_) + 1);
    return true;
  }

  /// When the next rung is due, if there is one.
  std::optional<time_point> next() const noexcept
  {
    switch (rung_) {
    case drain_rung::closing: return begin_ + steps_.total();
    case drain_rung::total: return begin_ + steps_.terminal();
    case drain_rung::terminal: return begin_ + steps_.deadline();
    case drain_rung::serving:
    case drain_rung::closed: break;
    }
    return std::nullopt;
  }

  /// Until when a connection may wait for a request, only when the drain has begun.
  /// @param since when its wait began; any time before the drain counts as its begin.
  /// @param fresh whether it would be its first request.
  time_point idle_until(time_point since, bool fresh) const noexcept
  {
    return std::max(begin_, since) + (fresh ? steps_.fresh_grace() : steps_.idle_grace());
  }

private:
  drain_steps steps_;
  drain_rung rung_ = drain_rung::serving;
  time_point begin_{};
};

} // namespace cohort::detail
