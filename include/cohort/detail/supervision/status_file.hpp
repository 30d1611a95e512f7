// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/posix/replace_file.hpp>
#include <cohort/supervisor_options.hpp>

#include <asio/any_io_executor.hpp>

#include <memory>
#include <string>
#include <system_error>

namespace cohort::detail {

/// The file that says how the groups are, written anew every interval; nothing without a name.
///
/// Its `Owner` has `std::string status()`, what the file is to say, and
/// `void status_failed(std::error_code)`, for each time it could not be written.
class status_file {
public:
  status_file(const asio::any_io_executor& executor, const supervisor_options& options)
      : path_(options.status_file()),
        interval_(options.status_interval()),
        next_(executor)
  {
  }

  /// Writes it now, and again until `end`.
  template <class Owner>
  void begin(const std::shared_ptr<Owner>& owner)
  {
    write(*owner);
    if (!path_.empty()) next_.set_after(interval_, [this, owner] { begin(owner); });
  }

  /// Writes it for the last time.
  template <class Owner>
  void end(Owner& owner)
  {
    write(owner);
    call_off();
  }

  /// It stays as it is.
  void call_off() noexcept { next_.call_off(); }

private:
  template <class Owner>
  void write(Owner& owner) const
  {
    if (path_.empty()) return;
    std::error_code error;
    posix::replace_file(path_, owner.status(), error);
    if (error) owner.status_failed(error);
  }

  std::string path_;
  supervisor_options::duration interval_;
  io::alarm next_;
};

} // namespace cohort::detail
