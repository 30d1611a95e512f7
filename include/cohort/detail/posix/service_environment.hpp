// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdlib>
#include <optional>
#include <string>

namespace cohort::detail::posix {

/// The environment variables by which a service manager gives sockets to a process, and by which it
/// wants to hear from it.
inline constexpr const char* listen_pid_variable = "LISTEN_PID";
inline constexpr const char* listen_fds_variable = "LISTEN_FDS";
inline constexpr const char* listen_names_variable = "LISTEN_FDNAMES";
inline constexpr const char* listen_pidfd_variable = "LISTEN_PIDFDID";
inline constexpr const char* notify_variable = "NOTIFY_SOCKET";
inline constexpr const char* watchdog_pid_variable = "WATCHDOG_PID";
inline constexpr const char* watchdog_interval_variable = "WATCHDOG_USEC";

/// All of them are for the process that the service manager has started, and none for its workers.
inline constexpr std::array service_variables = {listen_pid_variable, listen_fds_variable,
    listen_names_variable, listen_pidfd_variable, notify_variable, watchdog_pid_variable,
    watchdog_interval_variable};

/// The first descriptor that a service manager gives.
inline constexpr int first_given_descriptor = 3;

/// What this process's environment says; nothing when the variable is not set.
inline std::optional<std::string> read_variable(const char* name)
{
  const char* const value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

/// The same, and the variable is not set any more.
inline std::optional<std::string> take_variable(const char* name)
{
  auto value = read_variable(name);
  if (value) ::unsetenv(name);
  return value;
}

} // namespace cohort::detail::posix
