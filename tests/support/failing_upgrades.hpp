// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/error.hpp>
#include <cohort/event.hpp>
#include <cohort/upgrade.hpp>
#include <cohort/upgrade_options.hpp>
#include <cohort/upgrade_result.hpp>

#include "support/new_program.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>

#include <chrono>
#include <deque>
#include <doctest/doctest.h>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort_test {

/// A way in which an upgrade fails, and what is said of it then.
struct failing_way {
  cohort::upgrade_options how;
  std::string why;
};

/// All of them.
inline const std::vector<failing_way>& failing_ways()
{
  using std::chrono::milliseconds;
  static const std::vector<failing_way> all = {
      {new_program("exit 3"), "exited with code 3"},
      {cohort::upgrade_options().program("/nowhere"), "could not be started: No such file"},
      {new_program("kill -KILL $$"), "killed by SIGKILL"},
      {new_program(live_on).ready_deadline(milliseconds(20)), "was not ready in time"},
      {new_program(std::string("exec 3>&-; ") + live_on).ready_deadline(milliseconds(5)),
          "was not ready in time"},
      {new_program(std::string("trap '' TERM; ") + live_on)
              .ready_deadline(milliseconds(10))
              .drain_deadline(milliseconds(5)),
          "was not ready in time"},
      {new_program(std::string("printf hello >&3; ") + live_on), "did not speak as a new program"},
  };
  return all;
}

/// Upgrades of one supervisor that fail, in any order, and what has to become of each: one at a
/// time, and each is told once, to who waits for it and as an event.
class failing_upgrades {
public:
  /// The supervisor that acts on SIGUSR2 is to fail in this way.
  static const failing_way& by_signal() { return failing_ways().front(); }

  /// Begins one.
  template <class Supervisor>
  void begin(Supervisor& master, const failing_way& way);
  /// A signal has begun one, in this moment.
  void begun_by_signal()
  {
    attempt& one = add(by_signal());
    // Nobody waits for it.
    one.told = 1;
    refused_signals_ += one.refused ? 1 : 0;
  }
  /// Nobody waits any more for the one that is under way.
  void cancel()
  {
    if (!current_) return;
    current_->cancelled = true;
    current_->cancel.emit(asio::cancellation_type::total);
  }
  /// The supervisor is to end from now on.
  void ends() { ending_ = true; }

  /// What the supervisor says, in the moment in which it does.
  void hear(const cohort::error_event& event);

  /// Whether there is one of which something may be left.
  bool under_way() const noexcept { return current_ != nullptr; }
  /// At the end: whether all were told, to everybody.
  void check() const;

private:
  struct attempt {
    const failing_way* way = nullptr;
    bool refused = false;
    bool cancelled = false;
    unsigned told = 0;
    asio::cancellation_signal cancel;
  };

  attempt& add(const failing_way& way)
  {
    attempt& one = attempts_.emplace_back();
    one.way = &way;
    one.refused = under_way();
    if (!one.refused) current_ = &one;
    return one;
  }
  void ended(attempt& one, std::error_code error, const cohort::upgrade_result& result);

  std::deque<attempt> attempts_;
  attempt* current_ = nullptr;
  unsigned refused_signals_ = 0;
  bool ending_ = false;
};

// Implementation

template <class Supervisor>
void failing_upgrades::begin(Supervisor& master, const failing_way& way)
{
  attempt& one = add(way);
  cohort::upgrade(master, way.how,
      asio::bind_cancellation_slot(one.cancel.slot(),
          [this, &one](std::error_code error, const cohort::upgrade_result& result) {
            ended(one, error, result);
          }));
}

inline void failing_upgrades::ended(
    attempt& one, std::error_code error, const cohort::upgrade_result& result)
{
  CAPTURE(one.way->why);
  ++one.told;
  if (one.refused) {
    CHECK(error == cohort::error::busy);
  } else if (error == asio::error::operation_aborted) {
    CHECK(one.cancelled);
  } else if (error == cohort::error::shutting_down) {
    CHECK(ending_);
    CHECK(result.outcome == cohort::upgrade_outcome::stopped);
    // Then there is no event.
    if (current_ == &one) current_ = nullptr;
  } else {
    CHECK(error == cohort::error::upgrade_failed);
    CHECK_MESSAGE(result.to_string().find(one.way->why) != std::string::npos, result.to_string());
  }
}

inline void failing_upgrades::hear(const cohort::error_event& event)
{
  if (event.code == cohort::error::busy) {
    CHECK(refused_signals_ != 0);
    --refused_signals_;
  } else if (event.code == cohort::error::upgrade_failed) {
    CHECK_MESSAGE(current_, event.what);
    const attempt* const one = std::exchange(current_, nullptr);
    const bool aborted = one && one->cancelled && event.what == "upgrade: aborted";
    const bool as_meant = one && event.what.find(one->way->why) != std::string::npos;
    CHECK_MESSAGE((aborted || as_meant), event.what, " instead of ", one ? one->way->why : "none");
  }
}

inline void failing_upgrades::check() const
{
  CHECK_FALSE(under_way());
  CHECK(refused_signals_ == 0);
  for (const attempt& each : attempts_) CHECK_MESSAGE(each.told == 1, each.way->why);
}

} // namespace cohort_test
