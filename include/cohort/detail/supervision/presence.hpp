// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/event_bus.hpp>
#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/posix/pid_file.hpp>
#include <cohort/detail/supervision/group_table.hpp>
#include <cohort/detail/supervision/service_link.hpp>
#include <cohort/detail/supervision/status_file.hpp>
#include <cohort/service_manager.hpp>
#include <cohort/supervisor_options.hpp>

#include <asio/any_io_executor.hpp>

#include <memory>
#include <string>
#include <system_error>

#include <sys/types.h>

namespace cohort::detail {

/// By what other programs know a supervisor, each of it of one process at a time: its pid file, its
/// status file, and what the service manager hears.
class presence {
public:
  presence(const asio::any_io_executor& executor, const supervisor_options& options,
      const group_table& groups, group_host& host)
      : pid_path_(options.pid_file()),
        notifies_(options.notify_service_manager()),
        status_file_(executor, options),
        service_(std::make_shared<service_link>(executor, groups, host))
  {
  }

  /// Wants to know what happens.
  const std::shared_ptr<service_link>& events() const noexcept { return service_; }

  /// The pid file: with an error, somebody else has it.
  void claim(std::error_code& error)
  {
    if (!pid_path_.empty()) pid_file_ = posix::pid_file::create(pid_path_, error);
  }
  void disclaim() noexcept { pid_file_.remove(); }
  /// The same when this process replaces the one that has it.
  void claim_from_predecessor(std::error_code& error)
  {
    if (!pid_path_.empty()) pid_file_ = posix::pid_file::take_over(pid_path_, error);
  }

  /// @param owner as that of `status_file`.
  template <class Owner>
  void begin(const std::shared_ptr<Owner>& owner)
  {
    begun_ = true;
    status_file_.begin(owner);
    if (notifies_) service_->begin(service_manager());
  }
  void reload_asked() { service_->reload_asked(); }
  void stopping() { service_->stopping(); }

  /// All of it is another process's from now on; with an error all is as before.
  void hand_over(pid_t successor, std::error_code& error)
  {
    service_->hand_over(successor, error);
    if (error) return;
    begun_ = false;
    status_file_.call_off();
    pid_file_.let_go();
  }

  template <class Owner>
  void end(Owner& owner)
  {
    if (begun_) status_file_.end(owner);
    abandon();
  }
  /// The files stay as they are, but for the pid file.
  void abandon()
  {
    begun_ = false;
    status_file_.call_off();
    service_->end();
    pid_file_.remove();
  }

private:
  std::string pid_path_;
  bool notifies_;
  bool begun_ = false;
  posix::pid_file pid_file_;
  status_file status_file_;
  std::shared_ptr<service_link> service_;
};

} // namespace cohort::detail
