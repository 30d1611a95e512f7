// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_operation.hpp>
#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/core/launch.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/core/predecessor.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/io/process.hpp>
#include <cohort/detail/lifecycle/upgrade_state.hpp>
#include <cohort/detail/posix/child.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/detail/posix/service_environment.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/error.hpp>
#include <cohort/upgrade_options.hpp>
#include <cohort/upgrade_result.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include <chrono>
#include <csignal>
#include <memory>
#include <new>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace cohort::detail {

/// What a program that is being replaced does.
class upgrade_host {
public:
  /// The new process is ready, and counts from now on; with an error this one does.
  /// @param channel on which it listens to what this process has to say.
  virtual void hand_over(pid_t successor, int channel, std::error_code& error) = 0;
  /// It has been told so. On this channel it listens to what this process has to leave in the end.
  virtual void keep(posix::unique_fd channel) = 0;
  /// The upgrade has ended, well or not.
  virtual void upgrade_over(const upgrade_result& result) = 0;

protected:
  ~upgrade_host() = default;
};

/// A new program that is to replace this one, from its start to the moment from which it counts;
/// carries out what an `upgrade_state` demands.
///
/// It is told on a channel of its own what this program listens on, before it is started, and says
/// there when it is ready. The host outlives it, or calls `close`.
class successor final : public std::enable_shared_from_this<successor>, private wait_list_owner {
public:
  successor(const asio::any_io_executor& executor, upgrade_host& host)
      : host_(&host),
        channel_(executor),
        deadline_(executor),
        announce_again_(executor),
        waiting_(executor, this)
  {
  }

  /// `handler(std::error_code, upgrade_result)` when it is over.
  template <class Handler>
  void wait(Handler&& handler)
  {
    waiting_.add(std::forward<Handler>(handler));
  }

  /// Starts the program; once.
  void start(const upgrade_options& how, std::span<const passed_listener> listeners);
  /// There is nothing to start it with.
  void fail(std::error_code why)
  {
    result_.error = why;
    act(state_.start_failed());
  }
  /// This program is to end: so is the new one, unless it counts already.
  void stop() { act(state_.stop()); }
  /// The same at once.
  void kill();
  /// The host goes away.
  void close();

private:
  // Who has to know which process counts, and had no room to hear it, is told again after it.
  static constexpr std::chrono::milliseconds announce_pause_{50};

  void wait_cancelled() override;

  std::error_code launch(const upgrade_options& how, std::span<const passed_listener> listeners);
  void listen();
  void look();
  void exited(exit_status status);
  void act(upgrade_action action);
  void end();
  void hand_over();
  void report();

  upgrade_host* host_;
  upgrade_state state_;
  upgrade_result result_;
  std::shared_ptr<process> process_;
  asio::posix::stream_descriptor channel_;
  io::alarm deadline_;
  io::alarm announce_again_;
  upgrade_options::duration drain_deadline_{};
  wait_queue<upgrade_result> waiting_;
};

/// The command line and the environment of the new program; its channel is descriptor 3.
posix::child_options upgrade_command(const upgrade_options& how);

// Implementation

inline posix::child_options upgrade_command(const upgrade_options& how)
{
  posix::child_options options;
  options.path = how.program() ? *how.program() : posix::started_path();
  options.argv = {options.path};
  const auto args = how.args() ? *how.args() : posix::program_arguments();
  options.argv.insert(options.argv.end(), args.begin(), args.end());
  variable_map variables = own_variables();
  // It is to be heard by the service manager as this program is, under another number.
  variables.erase(posix::watchdog_pid_variable);
  overlay(variables, how.env());
  variables.insert_or_assign(upgrade_variable, "3");
  options.envp = to_entries(variables);
  return options;
}

inline void successor::start(const upgrade_options& how, std::span<const passed_listener> listeners)
{
  drain_deadline_ = how.drain_deadline();
  std::error_code error;
  try {
    error = launch(how, listeners);
  } catch (const std::bad_alloc&) {
    error = std::make_error_code(std::errc::not_enough_memory);
  }
  if (error) return fail(error);
  result_.pid = process_->pid();
}

inline std::error_code successor::launch(
    const upgrade_options& how, std::span<const passed_listener> listeners)
{
  std::error_code error;
  auto [ours, theirs] = posix::packet_pair(error);
  wire::hello greeting;
  greeting.schema = upgrade_protocol;
  if (!error) send_packet(ours.get(), greeting, {}, error);
  for (const passed_listener& each : listeners)
    if (!error) send_listener(ours.get(), each, error);
  if (!error) send_packet(ours.get(), wire::ready(), {}, error);
  if (!error) channel_.assign(ours.get(), error);
  if (error) return error;
  ours.release();
  // Whatever takes memory comes before the process.
  listen();
  deadline_.set_after(
      how.ready_deadline(), [self = shared_from_this()] { self->act(self->state_.late()); });
  posix::child_options options = upgrade_command(how);
  options.inherit = {theirs.get()};
  process_ = process::start(
      channel_.get_executor(), options,
      [weak = weak_from_this()](exit_status status) {
        if (const auto self = weak.lock()) self->exited(status);
      },
      error);
  return error;
}

inline void successor::listen()
{
  channel_.async_wait(channel_.wait_read, [self = shared_from_this()](std::error_code error) {
    if (!error) self->look();
  });
}

inline void successor::look()
{
  if (!channel_.is_open()) return;
  std::error_code error;
  const upgrade_packet packet = receive_packet(channel_.native_handle(), error);
  if (posix::would_block(error)) return listen();
  // Its exit follows, or its time runs out.
  if (error == error::truncated || error == std::errc::connection_reset) return;
  if (!error) wire::decode<wire::ready>(packet.payload, error);
  if (error || packet.type != wire::message_type::ready) return act(state_.violated());
  // It may have ended since.
  receive_packet(channel_.native_handle(), error);
  if (error == error::truncated || error == std::errc::connection_reset) return;
  act(posix::would_block(error) ? state_.ready() : state_.violated());
}

inline void successor::exited(exit_status status)
{
  result_.status = status;
  act(state_.exited());
}

// Nobody waits for the upgrade any more.
inline void successor::wait_cancelled()
{
  if (waiting_.empty()) act(state_.abort());
}

inline void successor::kill()
{
  stop();
  std::error_code ignored; // it has just ended
  process_->signal(SIGKILL, ignored);
}

inline void successor::close()
{
  host_ = nullptr;
  state_.stop();
  std::error_code ignored;
  if (process_) process_->signal(SIGKILL, ignored);
  channel_.close(ignored);
  deadline_.call_off();
  announce_again_.call_off();
  waiting_.complete_all(asio::error::operation_aborted);
}

inline void successor::act(upgrade_action action)
{
  switch (action) {
  case upgrade_action::none: return;
  case upgrade_action::end: return end();
  case upgrade_action::hand_over: return hand_over();
  case upgrade_action::report: return report();
  }
}

// It may serve clients already: these are to be served.
inline void successor::end()
{
  std::error_code ignored; // it has just ended
  process_->signal(SIGTERM, ignored);
  deadline_.set_after(drain_deadline_, [self = shared_from_this()] {
    std::error_code too_late;
    self->process_->signal(SIGKILL, too_late);
  });
}

inline void successor::hand_over()
{
  const auto alive = shared_from_this();
  result_.error.clear();
  if (host_) host_->hand_over(result_.pid, channel_.native_handle(), result_.error);
  if (posix::would_block(result_.error))
    return announce_again_.set_after(
        announce_pause_, [self = shared_from_this()] { self->act(self->state_.ready()); });
  if (result_.error) return act(state_.not_announced());
  state_.handed_over();
  process_->let_go();
  // What is of one process at a time is free.
  std::error_code ignored; // it may have ended
  send_packet(channel_.native_handle(), wire::leaving(), {}, ignored);
  posix::unique_fd channel(channel_.release());
  if (host_) host_->keep(std::move(channel));
  report();
}

inline void successor::report()
{
  const auto alive = shared_from_this();
  std::error_code ignored;
  channel_.close(ignored);
  deadline_.call_off();
  announce_again_.call_off();
  result_.outcome = state_.outcome();
  const bool has_cause = result_.outcome == upgrade_outcome::start_failed ||
                         result_.outcome == upgrade_outcome::not_announced;
  if (!has_cause) result_.error.clear();
  const bool stopped = result_.outcome == upgrade_outcome::stopped;
  const std::error_code error = result_.succeeded() ? std::error_code()
                                : stopped           ? make_error_code(error::shutting_down)
                                                    : make_error_code(error::upgrade_failed);
  waiting_.complete_all(error, result_);
  if (host_) host_->upgrade_over(result_);
}

} // namespace cohort::detail
