// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/upgrade_result.hpp>

#include <cstdint>
#include <utility>

namespace cohort::detail {

/// What an upgrade demands next.
enum class upgrade_action : std::uint8_t {
  none,
  /// Give the new process what is its own now, and let it live: `handed_over` follows,
  /// `not_announced`, or `ready` again.
  hand_over,
  /// Make the new process end; `exited` follows.
  end,
  /// It is over: nothing of the new process is left.
  report,
};

/// The old program's view of an upgrade, from the start of the new process to the moment from which
/// that one counts.
///
/// Until then nothing of the old program changes. Whatever fails, the new process is made to end,
/// and that is told when it has been reaped: so that the next upgrade finds nothing of this one.
class upgrade_state {
public:
  /// The new process could not be started.
  upgrade_action start_failed() noexcept { return finish(upgrade_outcome::start_failed); }
  /// It has said that it is ready; again, where who has to know could not be told as yet.
  upgrade_action ready() noexcept
  {
    if (phase_ != phase::waiting) return upgrade_action::none;
    is_ready_ = true;
    return upgrade_action::hand_over;
  }
  void handed_over() noexcept { phase_ = phase::over; }
  /// Who has to know which process counts could not be told.
  upgrade_action not_announced() noexcept { return give_up(upgrade_outcome::not_announced); }
  /// It has said something else.
  upgrade_action violated() noexcept { return give_up(upgrade_outcome::refused); }
  /// Its time is over.
  upgrade_action late() noexcept
  {
    return give_up(is_ready_ ? upgrade_outcome::not_announced : upgrade_outcome::not_ready);
  }
  /// Nobody waits for it any more.
  upgrade_action abort() noexcept { return give_up(upgrade_outcome::aborted); }
  /// The old program is to end.
  upgrade_action stop() noexcept { return give_up(upgrade_outcome::stopped); }
  /// It has been reaped.
  upgrade_action exited() noexcept
  {
    return finish(phase_ == phase::waiting ? upgrade_outcome::exited : outcome_);
  }

  /// How it went, when it is over.
  upgrade_outcome outcome() const noexcept { return outcome_; }
  bool over() const noexcept { return phase_ == phase::over; }

private:
  enum class phase : std::uint8_t { waiting, ending, over };

  upgrade_action give_up(upgrade_outcome why) noexcept
  {
    if (phase_ != phase::waiting) return upgrade_action::none;
    phase_ = phase::ending;
    outcome_ = why;
    return upgrade_action::end;
  }
  upgrade_action finish(upgrade_outcome why) noexcept
  {
    if (std::exchange(phase_, phase::over) == phase::over) return upgrade_action::none;
    outcome_ = why;
    return upgrade_action::report;
  }

  phase phase_ = phase::waiting;
  bool is_ready_ = false;
  upgrade_outcome outcome_ = upgrade_outcome::succeeded;
};

} // namespace cohort::detail
