// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/child.hpp>
#include <cohort/detail/wire/control.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/upgrade_options.hpp>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <string>
#include <sys/wait.h>
#include <vector>

namespace cohort_test {

/// A shell that is a new program in an upgrade: descriptor 3 is its channel.
inline cohort::upgrade_options new_program(const std::string& script)
{
  return cohort::upgrade_options().program("/bin/sh").args({"-c", script});
}

/// What such a shell does to say that it is ready.
inline std::string say_ready()
{
  using cohort::detail::wire::ready;
  std::vector<std::byte> bytes{static_cast<std::byte>(ready::type)};
  cohort::detail::wire::encode(ready(), bytes);
  std::string command = "printf '";
  for (const std::byte each : bytes) {
    const auto value = static_cast<unsigned>(each);
    command += '\\';
    for (const unsigned shift : {6U, 3U, 0U})
      command += static_cast<char>('0' + ((value >> shift) & 7U));
  }
  return command + "' >&3; ";
}

/// Until it is killed.
inline const char* const live_on = "exec sleep 1000";

/// Whether this process has no child, not even one to be reaped.
inline bool has_no_child()
{
  siginfo_t info;
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

/// Ends a new program that was left to itself; whether it was alive.
inline bool end_new_program(pid_t pid)
{
  const bool lives = pid > 0 && ::kill(pid, SIGKILL) == 0;
  int status = 0;
  return lives && ::waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
         WTERMSIG(status) == SIGKILL;
}

} // namespace cohort_test
