// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/unique_fd.hpp>

#include <system_error>
#include <utility>

namespace cohort::detail::posix {

/// What connects this process with one descriptor of a worker. Both ends are CLOEXEC; ours does not
/// block, the worker's does, as programs expect of what they are started with.
struct worker_pipe {
  unique_fd ours;
  unique_fd theirs;
};

/// For the worker's descriptor `number`: a pipe that it reads (0) or writes (1 and 2), a pair of
/// sockets for all others.
worker_pipe make_worker_pipe(int number, std::error_code& ec) noexcept;

// Implementation

inline worker_pipe make_worker_pipe(int number, std::error_code& ec) noexcept
{
  int ends[2] = {-1, -1};
  const int result = number < 3 ? sys::pipe2(ends, O_CLOEXEC)
                                : sys::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
  ec = result == 0 ? std::error_code() : last_error();
  if (ec) return {};
  // Of a pipe the first is for reading.
  if (number == 0) std::swap(ends[0], ends[1]);
  worker_pipe made{unique_fd(ends[0]), unique_fd(ends[1])};
  set_nonblocking(made.ours.get(), ec);
  return ec ? worker_pipe() : std::move(made);
}

} // namespace cohort::detail::posix
