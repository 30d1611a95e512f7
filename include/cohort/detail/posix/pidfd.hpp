// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/exit_status.hpp>

#include <optional>

namespace cohort::detail::posix {

/// A descriptor, CLOEXEC, for the child `pid` of this process.
///
/// To be taken before the child can have been reaped. `function_not_supported` where pidfds do not
/// exist.
unique_fd open_pidfd(pid_t pid, std::error_code& ec) noexcept;

/// Sends a signal to the child, never to another process; `no_such_process` when it was reaped.
/// @param pidfd -1 if there is none, then `pid` names the child as long as it is not reaped.
void send_signal(int pidfd, pid_t pid, int signal, std::error_code& ec) noexcept;

/// Reaps the child if it has ended, without waiting. An unknown status means that somebody else
/// reaped it. Readiness of a pidfd is a hint that this is worth trying, no more.
std::optional<exit_status> try_wait(int pidfd, pid_t pid) noexcept;

/// Reaps the child, waiting for its end.
exit_status wait(int pidfd, pid_t pid) noexcept;

// Implementation

namespace pidfd_detail {

// glibc has the name since 2.36 only.
inline constexpr auto by_pidfd = static_cast<idtype_t>(3);

inline std::optional<exit_status> reap(int pidfd, pid_t pid, int options) noexcept
{
  siginfo_t info{};
  const auto call = [&](idtype_t type, int id) {
    return retry_interrupted(
        [&] { return sys::waitid(type, static_cast<id_t>(id), &info, WEXITED | options); });
  };
  int result = pidfd != -1 ? call(by_pidfd, pidfd) : call(P_PID, pid);
  if (result != 0 && pidfd != -1 && errno == EINVAL) result = call(P_PID, pid);
  if (result != 0) return exit_status();
  if (info.si_pid == 0) return std::nullopt;
  return info.si_code == CLD_EXITED ? exit_status::exited(info.si_status)
                                    : exit_status::signalled(info.si_status);
}

} // namespace pidfd_detail

inline unique_fd open_pidfd(pid_t pid, std::error_code& ec) noexcept
{
  unique_fd fd(sys::pidfd_open(pid));
  ec = fd ? std::error_code() : last_error();
  return fd;
}

inline void send_signal(int pidfd, pid_t pid, int signal, std::error_code& ec) noexcept
{
  int result = -1;
  if (pidfd != -1) result = sys::pidfd_send_signal(pidfd, signal);
  // valgrind makes pidfds but knows no such call.
  if (pidfd == -1 || (result != 0 && errno == ENOSYS)) {
    siginfo_t info{};
    const int options = WEXITED | WNOHANG | WNOWAIT;
    result = sys::waitid(P_PID, static_cast<id_t>(pid), &info, options);
    if (result != 0 && errno == ECHILD) errno = ESRCH;
    if (result == 0) result = sys::kill(pid, signal);
  }
  ec = result == 0 ? std::error_code() : last_error();
}

inline std::optional<exit_status> try_wait(int pidfd, pid_t pid) noexcept
{
  return pidfd_detail::reap(pidfd, pid, WNOHANG);
}

inline exit_status wait(int pidfd, pid_t pid) noexcept
{
  return pidfd_detail::reap(pidfd, pid, 0).value_or(exit_status());
}

} // namespace cohort::detail::posix
