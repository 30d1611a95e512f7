// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>

#include <utility>

namespace cohort::detail::posix {

/// Owns one file descriptor, or none.
class unique_fd {
public:
  unique_fd() noexcept = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
  unique_fd& operator=(unique_fd&& other) noexcept
  {
    reset(other.release());
    return *this;
  }
  ~unique_fd() { reset(); }

  /// The descriptor, -1 when there is none.
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ != -1; }

  /// Gives the descriptor away without closing it.
  int release() noexcept { return std::exchange(fd_, -1); }

  /// Closes the descriptor and owns `fd` from now on. `errno` stays as it was.
  void reset(int fd = -1) noexcept;

private:
  int fd_ = -1;
};

/// A second descriptor, CLOEXEC, for the open file of `fd`.
unique_fd duplicate(int fd, std::error_code& ec) noexcept;

/// Whether there is such a descriptor: `bad_file_descriptor` when not.
void check_open(int fd, std::error_code& ec) noexcept;

/// Keeps `fd` from surviving an exec.
void set_cloexec(int fd, std::error_code& ec) noexcept;

/// Sets O_NONBLOCK, which every process that holds a copy of `fd` sees.
void set_nonblocking(int fd, std::error_code& ec) noexcept;

// Implementation

inline void unique_fd::reset(int fd) noexcept
{
  const int old = std::exchange(fd_, fd);
  if (old == -1) return;
  const int saved = errno;
  // Not repeated after EINTR: on Linux the descriptor is gone by then, and may be another's.
  sys::close(old);
  errno = saved;
}

inline unique_fd duplicate(int fd, std::error_code& ec) noexcept
{
  unique_fd copy(sys::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  ec = copy ? std::error_code() : last_error();
  return copy;
}

inline void check_open(int fd, std::error_code& ec) noexcept
{
  ec = sys::fcntl(fd, F_GETFD) != -1 ? std::error_code() : last_error();
}

inline void set_cloexec(int fd, std::error_code& ec) noexcept
{
  const int result = sys::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ec = result == 0 ? std::error_code() : last_error();
}

inline void set_nonblocking(int fd, std::error_code& ec) noexcept
{
  int flags = sys::fcntl(fd, F_GETFL);
  if (flags != -1 && !(flags & O_NONBLOCK)) flags = sys::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  ec = flags != -1 ? std::error_code() : last_error();
}

} // namespace cohort::detail::posix
