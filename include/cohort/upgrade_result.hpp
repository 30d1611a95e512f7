// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/exit_status.hpp>

#include <cstdint>
#include <string>
#include <system_error>

#include <sys/types.h>

namespace cohort {

/// How an upgrade went.
enum class upgrade_outcome : std::uint8_t {
  succeeded,
  /// Nothing is known: none was begun, or nobody waited for it any more. The error says why.
  unknown,
  /// The new program could not be started.
  start_failed,
  /// It ended before it was ready.
  exited,
  /// It was not ready in time.
  not_ready,
  /// It did not say what a new program says.
  refused,
  /// It was ready, and the service manager could not be told so: it would have taken the end of
  /// this program for the end of the service.
  not_announced,
  /// This program gave it up.
  aborted,
  /// This program is to end.
  stopped,
};

/// What an upgrade came to. When it has failed this program goes on as before, unless it is to end,
/// and nothing of the new one is left.
struct upgrade_result {
  upgrade_outcome outcome = upgrade_outcome::unknown;
  /// The new process; 0 when there was none.
  pid_t pid = 0;
  /// How it ended, if it failed.
  exit_status status;
  /// Why it could not be started, or not be announced when it was ready.
  std::error_code error;

  bool succeeded() const noexcept { return outcome == upgrade_outcome::succeeded; }

  /// "process 4711 ended before it was ready: exited with code 1".
  std::string to_string() const;
};

// Implementation

inline std::string upgrade_result::to_string() const
{
  const std::string who = "process " + std::to_string(pid);
  switch (outcome) {
  case upgrade_outcome::succeeded: return who + " has taken over";
  case upgrade_outcome::unknown: return "unknown";
  case upgrade_outcome::start_failed:
    return "the new program could not be started: " + error.message();
  case upgrade_outcome::exited: return who + " ended before it was ready: " + status.to_string();
  case upgrade_outcome::not_ready: return who + " was not ready in time";
  case upgrade_outcome::refused: return who + " did not speak as a new program does";
  case upgrade_outcome::not_announced:
    return "the service manager could not be told of " + who + ": " + error.message();
  case upgrade_outcome::aborted: return "aborted";
  case upgrade_outcome::stopped: return "this program is to end";
  }
  return "unknown";
}

} // namespace cohort
