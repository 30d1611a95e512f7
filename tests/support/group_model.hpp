// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>
#include <optional>
#include <utility>

namespace cohort_test {

/// How many workers a supervised group is to have, by what docs/scaling.md says of it. No process
/// and no clock are in it: signals have to come in the order in which the supervisor acts on them.
class group_model {
public:
  /// Signals do not change how many there are one by one.
  explicit group_model(unsigned count) : count_(count) {}
  /// They do, between these.
  group_model(unsigned count, unsigned min, unsigned max)
      : count_(count),
        bounds_(std::pair(min, max))
  {
  }

  /// A program without a controlling terminal has been sent a signal.
  void signalled(int number)
  {
    const bool reloads = number == SIGHUP || number == SIGUSR1;
    if (number == SIGWINCH) rests_ = true;
    else if (rests_) rests_ = !reloads && number != SIGTTIN;
    else if (number == SIGTTIN && bounds_ && count_ < bounds_->second) ++count_;
    else if (number == SIGTTOU && bounds_ && count_ > bounds_->first) --count_;
  }
  void resized(unsigned count)
  {
    rests_ = false;
    count_ = count;
  }

  bool rests() const noexcept { return rests_; }
  unsigned count() const noexcept { return rests_ ? 0 : count_; }

private:
  unsigned count_;
  std::optional<std::pair<unsigned, unsigned>> bounds_;
  bool rests_ = false;
};

} // namespace cohort_test
