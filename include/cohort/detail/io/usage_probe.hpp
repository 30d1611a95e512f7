// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/process.hpp>
#include <cohort/detail/posix/process_usage.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

namespace cohort::detail::io {

/// What a process used when it was looked at last; nothing of what is not known.
struct process_usage {
  /// Bytes in memory.
  std::optional<std::uint64_t> memory;
  std::optional<std::uint64_t> descriptors;
};

/// Looks at what a process uses, not too often. Neither waits for the process nor needs its help.
class usage_probe {
public:
  using clock = std::chrono::steady_clock;

  /// @param interval how old what is known may be.
  explicit usage_probe(clock::duration interval) noexcept : interval_(interval) {}

  const process_usage& last() const noexcept { return last_; }
  /// When it is to be looked at again; at once, if it never was.
  clock::time_point due_at() const noexcept { return due_at_; }

  /// Looks. What is known of a process stays after its end.
  /// @return an error that has not been reported: the first since the last time that all went well.
  std::error_code look(process& whose, clock::time_point now) noexcept;

private:
  clock::duration interval_;
  clock::time_point due_at_{};
  process_usage last_;
  bool fails_ = false;
};

// Implementation

inline std::error_code usage_probe::look(process& whose, clock::time_point now) noexcept
{
  due_at_ = now + interval_;
  std::error_code no_memory, no_descriptors, reaped;
  const std::uint64_t memory = posix::resident_memory(whose.pid(), no_memory);
  const std::uint64_t descriptors = posix::open_descriptors(whose.pid(), no_descriptors);
  whose.signal(0, reaped);
  // It has ended, or that was another process even.
  if (no_memory == std::errc::no_such_process || reaped == std::errc::no_such_process) return {};
  last_.memory = no_memory ? std::nullopt : std::optional(memory);
  last_.descriptors = no_descriptors ? std::nullopt : std::optional(descriptors);
  const std::error_code failure = no_memory ? no_memory : no_descriptors;
  return std::exchange(fails_, bool(failure)) ? std::error_code() : failure;
}

} // namespace cohort::detail::io
