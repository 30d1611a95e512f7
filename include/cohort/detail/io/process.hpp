// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/child.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace cohort::detail {

/// A child process: sees its exit, reaps it, signals it.
///
/// The watch keeps the object alive and counts as work until the process is reaped, so that no
/// zombie stays when every handle was dropped. It sends signals through a pidfd and so never to
/// another process. Where pidfds do not exist it looks for the exit now and then.
///
/// Distinct objects: safe. Shared objects: unsafe. Its functions are to be called on its executor.
class process : public std::enable_shared_from_this<process> {
  struct made_by_start {};

public:
  using executor_type = asio::any_io_executor;
  using exit_handler = std::function<void(exit_status)>;

  /// Starts a program and watches it.
  /// @param on_exit called once on `executor` after the process was reaped, never from in here; it
  ///   must not throw.
  /// @return nullptr with an error: then there is no process and `on_exit` is destroyed uncalled.
  /// @throws std::bad_alloc and the like; then there is none either.
  static std::shared_ptr<process> start(const executor_type& executor,
      const posix::child_options& options, exit_handler on_exit, std::error_code& ec);

  /// The same, which also tells the step that failed.
  static std::shared_ptr<process> start(const executor_type& executor,
      const posix::child_options& options, exit_handler on_exit, posix::start_error& error);

  /// Watches a child of this process that was started elsewhere.
  static std::shared_ptr<process> adopt(
      const executor_type& executor, posix::started child, exit_handler on_exit);

  process(made_by_start, const executor_type& executor, exit_handler on_exit);
  process(const process&) = delete;
  process& operator=(const process&) = delete;
  ~process();

  executor_type get_executor() noexcept { return timer_.get_executor(); }

  /// Also after the end, when the number may belong to another process.
  pid_t pid() const noexcept { return pid_; }

  /// How it ended; nothing as long as it was not reaped.
  const std::optional<exit_status>& status() const noexcept { return status_; }

  /// Sends a signal; `no_such_process` once the exit was reaped.
  void signal(int number, std::error_code& ec) noexcept;

  /// Drops the handler: nobody wants to hear of the exit any more. It is still reaped.
  void forget() noexcept { on_exit_ = nullptr; }

  /// Leaves it to itself: neither its exit nor this process's end is waited for any more.
  void let_go() noexcept;

private:
  using clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds shortest_pause{10};
  static constexpr std::chrono::milliseconds longest_pause{100};

  int pidfd() { return pidfd_.is_open() ? pidfd_.native_handle() : own_pidfd_.get(); }
  void take(posix::started child);
  void watch();
  void look_later();
  void look();

  pid_t pid_ = -1;
  // Asio refused to watch this one.
  posix::unique_fd own_pidfd_;
  asio::posix::stream_descriptor pidfd_;
  asio::steady_timer timer_;
  std::chrono::milliseconds pause_ = shortest_pause;
  bool false_alarm_ = false;
  bool let_go_ = false;
  exit_handler on_exit_;
  std::optional<exit_status> status_;
};

// Implementation

inline std::shared_ptr<process> process::start(const executor_type& executor,
    const posix::child_options& options, exit_handler on_exit, posix::start_error& error)
{
  // Made first: a process that runs already needs somebody to reap it.
  auto result = std::make_shared<process>(made_by_start(), executor, std::move(on_exit));
  posix::started child = posix::start_child(options, error);
  if (error.code) return nullptr;
  result->take(std::move(child));
  return result;
}

inline std::shared_ptr<process> process::start(const executor_type& executor,
    const posix::child_options& options, exit_handler on_exit, std::error_code& ec)
{
  posix::start_error error;
  auto result = start(executor, options, std::move(on_exit), error);
  ec = error.code;
  return result;
}

inline std::shared_ptr<process> process::adopt(
    const executor_type& executor, posix::started child, exit_handler on_exit)
{
  auto result = std::make_shared<process>(made_by_start(), executor, std::move(on_exit));
  result->take(std::move(child));
  return result;
}

inline process::process(made_by_start, const executor_type& executor, exit_handler on_exit)
    : pidfd_(executor),
      timer_(executor),
      on_exit_(std::move(on_exit))
{
}

inline process::~process()
{
  // Only when the execution context went away before the process did.
  if (pid_ > 0 && !status_) posix::try_wait(pidfd(), pid_);
}

inline void process::take(posix::started child)
{
  pid_ = child.pid;
  own_pidfd_ = std::move(child.pidfd);
  try {
    std::error_code ec;
    if (own_pidfd_) pidfd_.assign(own_pidfd_.get(), ec);
    if (pidfd_.is_open()) own_pidfd_.release();
    watch();
  } catch (...) {
    // Out of memory: a process that nobody can watch shall not run.
    std::error_code ignored;
    posix::send_signal(pidfd(), pid_, SIGKILL, ignored);
    status_ = posix::wait(pidfd(), pid_);
    throw;
  }
}

inline void process::watch()
{
  if (!pidfd_.is_open()) return look_later();
  pidfd_.async_wait(asio::posix::descriptor_base::wait_read,
      [self = shared_from_this()](const std::error_code& ec) {
        if (self->let_go_) return;
        if (ec) self->look_later();
        else self->look();
      });
}

inline void process::look_later()
{
  timer_.expires_after(pause_);
  pause_ = std::min(2 * pause_, longest_pause);
  timer_.async_wait([self = shared_from_this()](const std::error_code&) {
    if (!self->let_go_) self->look();
  });
}

inline void process::look()
{
  status_ = posix::try_wait(pidfd(), pid_);
  if (!status_) {
    // Asio may report what happened to a descriptor that had this number before; then waiting
    // again is right. The pidfd of a traced process stays readable although there is nothing to
    // reap yet; then that would turn in circles.
    if (std::exchange(false_alarm_, true)) return look_later();
    return watch();
  }
  std::error_code ignored;
  pidfd_.close(ignored);
  own_pidfd_.reset();
  if (auto on_exit = std::exchange(on_exit_, nullptr)) on_exit(*status_);
}

inline void process::let_go() noexcept
{
  let_go_ = true;
  on_exit_ = nullptr;
  timer_.cancel();
  std::error_code ignored;
  pidfd_.close(ignored);
  own_pidfd_.reset();
}

inline void process::signal(int number, std::error_code& ec) noexcept
{
  if (status_ || let_go_) ec = std::make_error_code(std::errc::no_such_process);
  else posix::send_signal(pidfd(), pid_, number, ec);
}

} // namespace cohort::detail
