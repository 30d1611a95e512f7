// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <ostream>
#include <string>

namespace cohort {

/// How a process ended: with a code, by a signal, or unknown when somebody else reaped it.
///
/// Source: Node's `exit(code, signal)`, of which exactly one is given.
class exit_status {
public:
  /// Unknown: the process is gone and its status was taken by somebody else.
  exit_status() noexcept = default;

  /// The process returned or called `exit` with `code`.
  static exit_status exited(int code) noexcept { return exit_status(kind::exited, code); }

  /// The process was ended by the signal `number`.
  static exit_status signalled(int number) noexcept { return exit_status(kind::signalled, number); }

  /// Whether it ended by itself, with whatever code.
  bool has_code() const noexcept { return kind_ == kind::exited; }
  /// Whether a signal ended it.
  bool has_signal() const noexcept { return kind_ == kind::signalled; }
  /// Whether the status is known at all.
  bool known() const noexcept { return kind_ != kind::unknown; }
  /// Whether it ended by itself with code 0.
  bool success() const noexcept { return has_code() && value_ == 0; }

  /// The exit code, -1 when it has none.
  int code() const noexcept { return has_code() ? value_ : -1; }
  /// The number of the signal, 0 when none ended it.
  int signal() const noexcept { return has_signal() ? value_ : 0; }

  /// "exited with code 0", "killed by SIGKILL", "ended with unknown status".
  std::string to_string() const;

  friend bool operator==(const exit_status&, const exit_status&) = default;
  friend std::ostream& operator<<(std::ostream& out, const exit_status& status)
  {
    return out << status.to_string();
  }

private:
  enum class kind { unknown, exited, signalled };

  exit_status(kind k, int value) noexcept : kind_(k), value_(value) {}

  kind kind_ = kind::unknown;
  int value_ = 0;
};

// Implementation

inline std::string exit_status::to_string() const
{
  if (has_code()) return "exited with code " + std::to_string(value_);
  if (!has_signal()) return "ended with unknown status";
  const char* name = sigabbrev_np(value_);
  return "killed by " + (name ? "SIG" + std::string(name) : "signal " + std::to_string(value_));
}

} // namespace cohort
