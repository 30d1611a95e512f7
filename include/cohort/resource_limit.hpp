// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace cohort {

/// What the system limits for each process, `processes` for each user: see getrlimit(2).
enum class resource : std::uint8_t {
  /// Bytes of virtual memory.
  address_space,
  /// Bytes of a core file; 0 for none.
  core,
  /// Seconds of processor time.
  cpu_seconds,
  /// Bytes of the heap and of data.
  data,
  /// Bytes of any file it writes.
  file_size,
  /// Bytes of memory that stay in RAM.
  locked_memory,
  /// The highest number of a descriptor, plus 1.
  open_files,
  /// Processes and threads of the worker's user.
  processes,
  /// Bytes of the first thread's stack.
  stack,
};

/// A bound on what a worker may use: the soft one counts, and the worker may raise it up to the
/// hard one. To raise the hard one above that of this process needs the privilege to it.
class resource_limit {
public:
  static constexpr std::uint64_t unlimited = ~std::uint64_t(0);

  /// Both limits alike, in bytes, seconds or a count, as the resource has it.
  resource_limit(resource what, std::uint64_t value) noexcept : resource_limit(what, value, value)
  {
  }
  /// A soft limit above the hard one fails the start with `invalid_argument`.
  resource_limit(resource what, std::uint64_t soft, std::uint64_t hard) noexcept
      : what_(what),
        soft_(soft),
        hard_(hard)
  {
  }

  resource what() const noexcept { return what_; }
  std::uint64_t soft() const noexcept { return soft_; }
  std::uint64_t hard() const noexcept { return hard_; }

  friend bool operator==(const resource_limit&, const resource_limit&) noexcept = default;

private:
  resource what_;
  std::uint64_t soft_;
  std::uint64_t hard_;
};

} // namespace cohort
