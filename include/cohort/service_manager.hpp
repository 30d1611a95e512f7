// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/activation.hpp>
#include <cohort/detail/lifecycle/service_messages.hpp>
#include <cohort/detail/posix/notify_socket.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/detail/posix/service_environment.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sys/types.h>

namespace cohort {

/// The service manager that has started this process and wants to hear how it is, such as systemd
/// for a unit of `Type=notify` or `notify-reload`. Where there is none, nothing is said, and that
/// is no error.
///
///     const cohort::service_manager manager;
///     if (const auto error = manager.ready()) std::cerr << error.message() << '\n';
///
/// A `supervisor` says all of this by itself; see `supervisor_options`. Workers do not have the
/// variables by which it is found.
///
/// Each message is one datagram that is sent at once; no descriptor is kept. The result is the
/// error, if there is one: `address_family_not_supported` for an address that is neither an
/// absolute path nor abstract, `filename_too_long`, or what the system says, of which
/// `resource_unavailable_try_again` means that too much waits to be read there.
///
/// Thread safety: it does not change; the environment is read by the constructor.
/// Source: systemd's `sd_notify` and `sd_watchdog_enabled`.
class service_manager {
public:
  using duration = std::chrono::steady_clock::duration;

  /// The one that this process's environment names: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID,
  /// which stay as they are.
  service_manager();
  /// The one at `address`, in the form of NOTIFY_SOCKET: an absolute path, or an abstract name
  /// after '@'; empty for none.
  explicit service_manager(std::string address) noexcept : address_(std::move(address)) {}

  /// Whether there is one.
  explicit operator bool() const noexcept { return !address_.empty(); }

  /// It serves, for the first time or again after `reloading`.
  std::error_code ready() const { return notify(detail::service_messages::ready); }
  /// It changes what it runs, and `ready` follows. With the time that `Type=notify-reload` needs.
  std::error_code reloading() const;
  /// It ends.
  std::error_code stopping() const { return notify(detail::service_messages::stopping); }
  /// How it is, for people: what lines there are become one; more than 1024 bytes are cut off.
  std::error_code status(std::string_view text) const
  {
    return notify(detail::service_messages::status(text));
  }
  /// It is alive: to be said more often than `watchdog_interval` tells, best twice as often.
  std::error_code alive() const { return notify(detail::service_messages::watchdog); }
  /// The process to watch is another one from now on, as after an upgrade. It has to be one of the
  /// same service.
  std::error_code main_pid(pid_t pid) const
  {
    return notify(detail::service_messages::main_pid(pid));
  }
  /// Several of those, or others that it knows, in one datagram: lines of `NAME=value`.
  std::error_code notify(std::string_view assignments) const;

  /// How long `alive` may be missing before the process is taken for hung; nothing when it is not
  /// expected of this process.
  std::optional<duration> watchdog_interval() const noexcept { return watchdog_; }

private:
  std::string address_;
  std::optional<duration> watchdog_;
};

// Implementation

inline service_manager::service_manager()
    : address_(detail::posix::read_variable(detail::posix::notify_variable).value_or("")),
      watchdog_(detail::parse_watchdog(
          detail::posix::read_variable(detail::posix::watchdog_interval_variable),
          detail::posix::read_variable(detail::posix::watchdog_pid_variable),
          detail::posix::own_pid()))
{
}

inline std::error_code service_manager::reloading() const
{
  // On Linux that clock is CLOCK_MONOTONIC, which is what the service manager reads.
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return notify(detail::service_messages::reloading(
      std::chrono::duration_cast<std::chrono::microseconds>(now)));
}

inline std::error_code service_manager::notify(std::string_view assignments) const
{
  std::error_code error;
  if (address_.empty()) return error;
  const auto where = detail::posix::notify_address(address_, error);
  if (!error) detail::posix::send_datagram(where, assignments, error);
  return error;
}

} // namespace cohort
