// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/exit_status.hpp>
#include <cohort/worker_id.hpp>

#include <cstdint>
#include <string>
#include <system_error>

namespace cohort {

/// How a reload went.
enum class reload_outcome : std::uint8_t {
  succeeded,
  /// Nothing is known: none was begun, or nobody waited for it any more. The error says why.
  unknown,
  /// A new worker could not be started.
  start_failed,
  /// A new worker was not ready in time.
  not_ready,
  /// A new worker ended before it counted.
  died,
  /// The program gave it up.
  aborted,
  /// The workers are to end, or the cluster does.
  stopped,
};

/// What a reload came to. When it has failed the old workers go on, or others as they were where
/// old ones have left or died meanwhile.
struct reload_result {
  reload_outcome outcome = reload_outcome::unknown;
  /// The generation that runs now.
  std::uint32_t generation = 0;
  /// The worker because of which it failed, 0 for none.
  worker_id worker = 0;
  /// How that one ended.
  exit_status status;
  /// Why a worker could not be started.
  std::error_code error;

  bool succeeded() const noexcept { return outcome == reload_outcome::succeeded; }

  /// "worker 7 died: killed by SIGSEGV".
  std::string to_string() const;
};

// Implementation

inline std::string reload_result::to_string() const
{
  const std::string who = "worker " + std::to_string(worker);
  switch (outcome) {
  case reload_outcome::succeeded: return "generation " + std::to_string(generation) + " runs";
  case reload_outcome::start_failed: return "a worker could not be started: " + error.message();
  case reload_outcome::unknown: return "unknown";
  case reload_outcome::not_ready: return who + " was not ready in time";
  case reload_outcome::died:
    // Of others than the new ones, if it has no number.
    return worker == 0 ? "too many workers died" : who + " died: " + status.to_string();
  case reload_outcome::aborted: return "aborted";
  case reload_outcome::stopped: return "the workers are to end";
  }
  return "unknown";
}

} // namespace cohort
