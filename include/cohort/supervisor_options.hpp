// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/reload_options.hpp>
#include <cohort/settings.hpp>
#include <cohort/upgrade_options.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

namespace cohort {

/// How a `supervisor` works beside what each group says.
class supervisor_options {
public:
  using duration = std::chrono::steady_clock::duration;

  supervisor_options() = default;

  /// How the workers of all groups are started; what a group says counts more, as each does of
  /// `heartbeat` and `retire_jitter`.
  supervisor_options& settings(cohort::settings value) &
  {
    return set(settings_, std::move(value));
  }
  supervisor_options settings(cohort::settings value) &&
  {
    return std::move(settings(std::move(value)));
  }

  /// Whether signals to this process are acted on while the supervisor runs. SIGTERM and SIGINT:
  /// all workers drain and `run` ends, a second one kills them. SIGHUP and SIGUSR1: all groups
  /// reload. SIGUSR2: this program is replaced by a newer one, see `upgrade`. SIGTTIN and SIGTTOU:
  /// each group that is `group::scalable` gets one worker more, or has one fewer. SIGWINCH, where
  /// there is no terminal that would send it: all groups rest, their workers drain and their
  /// listeners stay open, until SIGHUP, SIGUSR1, SIGTTIN or `supervisor::resize`. Default: true.
  supervisor_options& handle_signals(bool value) & { return set(handle_signals_, value); }
  supervisor_options handle_signals(bool value) && { return std::move(handle_signals(value)); }

  /// How long the workers may take to drain at the end, before they are ended by force. Default: 30
  /// seconds.
  supervisor_options& drain_deadline(duration value) & { return set(drain_deadline_, value); }
  supervisor_options drain_deadline(duration value) && { return std::move(drain_deadline(value)); }

  /// How the groups reload that a signal or a worker makes reload.
  supervisor_options& reload(reload_options value) & { return set(reload_, std::move(value)); }
  supervisor_options reload(reload_options value) && { return std::move(reload(std::move(value))); }

  /// How SIGUSR2 upgrades this program.
  supervisor_options& upgrade(upgrade_options value) & { return set(upgrade_, std::move(value)); }
  supervisor_options upgrade(upgrade_options value) &&
  {
    return std::move(upgrade(std::move(value)));
  }

  /// Whether all ends, `run` with `error::gave_up`, when a group gives up, for a service manager to
  /// see. Default: false, the group tries again after its pause.
  supervisor_options& end_when_given_up(bool value) & { return set(end_when_given_up_, value); }
  supervisor_options end_when_given_up(bool value) &&
  {
    return std::move(end_when_given_up(value));
  }

  /// A file that has this process's number while the supervisor runs, in a directory that is there.
  /// One of a process that has ended is replaced, that of a live one is an error of `run`
  /// (`file_exists`). Default: none.
  supervisor_options& pid_file(std::string path) & { return set(pid_file_, std::move(path)); }
  supervisor_options pid_file(std::string path) && { return std::move(pid_file(std::move(path))); }

  /// A file that is replaced every `interval` by a line for each group and each worker; see
  /// `supervisor::status_text`. Default: none.
  /// @throws std::invalid_argument when the interval is not above 0.
  supervisor_options& status_file(std::string path, duration interval = std::chrono::seconds(1)) &
  {
    if (interval <= duration::zero())
      throw std::invalid_argument("cohort: no status without a pause");
    status_interval_ = interval;
    return set(status_file_, std::move(path));
  }
  supervisor_options status_file(std::string path, duration interval = std::chrono::seconds(1)) &&
  {
    return std::move(status_file(std::move(path), interval));
  }

  /// Whether the service manager is told how the groups are while the supervisor runs, if there is
  /// one that wants to hear of it (NOTIFY_SOCKET is set): that all workers of all groups are ready
  /// for the first time, that all groups reload and when that is over, that all ends, in a line how
  /// many workers of each group are ready, and that this process's event loop is alive
  /// (WATCHDOG_USEC); and after an upgrade which process the service is. What cannot be sent is an
  /// `error_event`, and said again after a second, but for the latter, without which the upgrade
  /// fails. A group that has given up is not ready; one that is over is. To be switched off where a
  /// process has several supervisors, or speaks for itself by `service_manager`. Default: true.
  supervisor_options& notify_service_manager(bool value) &
  {
    return set(notify_service_manager_, value);
  }
  supervisor_options notify_service_manager(bool value) &&
  {
    return std::move(notify_service_manager(value));
  }

  const cohort::settings& settings() const noexcept { return settings_; }
  bool handle_signals() const noexcept { return handle_signals_; }
  duration drain_deadline() const noexcept { return drain_deadline_; }
  const reload_options& reload() const noexcept { return reload_; }
  const upgrade_options& upgrade() const noexcept { return upgrade_; }
  bool end_when_given_up() const noexcept { return end_when_given_up_; }
  const std::string& pid_file() const noexcept { return pid_file_; }
  const std::string& status_file() const noexcept { return status_file_; }
  duration status_interval() const noexcept { return status_interval_; }
  bool notify_service_manager() const noexcept { return notify_service_manager_; }

private:
  template <class T>
  supervisor_options& set(T& field, T value)
  {
    field = std::move(value);
    return *this;
  }

  cohort::settings settings_;
  bool handle_signals_ = true;
  duration drain_deadline_ = std::chrono::seconds(30);
  reload_options reload_;
  upgrade_options upgrade_;
  bool end_when_given_up_ = false;
  std::string pid_file_;
  std::string status_file_;
  duration status_interval_ = std::chrono::seconds(1);
  bool notify_service_manager_ = true;
};

} // namespace cohort
