// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/core/report_failure.hpp>
#include <cohort/detail/core/session_link.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/lifecycle/drain_ladder.hpp>
#include <cohort/drain_steps.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

class session_core;

/// One connection of a scope and the coroutine that serves it, without their types.
///
/// Kept alive by that coroutine and its completion handler. Derived classes own the connection.
class session_entry {
public:
  using clock = std::chrono::steady_clock;

  explicit session_entry(std::shared_ptr<session_core> core);
  virtual ~session_entry() { leave(); }
  session_entry(const session_entry&) = delete;
  session_entry& operator=(const session_entry&) = delete;

  const std::shared_ptr<session_core>& core() const noexcept { return core_; }

  /// The coroutine waits for a request from now on; it waits for one at a time.
  void begin_idle();
  /// It does not any more: the request has begun, or the wait has ended otherwise.
  void end_idle() noexcept;

  asio::cancellation_slot slot() noexcept { return cancellation_.slot(); }
  void cancel(asio::cancellation_type type) { cancellation_.emit(type); }

  /// The coroutine has ended, with this exception if with one.
  void over(const std::exception_ptr& failure);

  /// Whether bytes have arrived that nobody has read.
  virtual bool has_input() noexcept = 0;
  /// Ends the connection; operations in flight are aborted. Nothing the second time.
  virtual void close() noexcept = 0;

private:
  friend class session_core;

  void leave() noexcept;

  std::shared_ptr<session_core> core_;
  asio::cancellation_signal cancellation_;
  session_link<session_entry> place_{this};
  // In one of the lists of those who are idle.
  session_link<session_entry> idle_place_{this};
  clock::time_point idle_since_{};
  bool fresh_ = true;
};

/// What a `connection_scope` is about: its connections, and how a drain ends them.
class session_core : public std::enable_shared_from_this<session_core> {
public:
  using clock = session_entry::clock;
  using failure_function = std::function<void(std::exception_ptr)>;

  session_core(const asio::any_io_executor& executor, const drain_steps& steps)
      : alarm_(executor),
        ended_(executor),
        ladder_(steps)
  {
  }

  std::size_t size() const noexcept { return size_; }
  /// Whether the drain has begun.
  bool closing() const noexcept { return ladder_.rung() != drain_rung::serving; }
  /// Whether a connection that comes now is served at all.
  bool admits() const noexcept { return ladder_.rung() < drain_rung::total; }

  /// The drain begins.
  void drain();
  /// Nobody owns this scope any more: everything ends.
  void abandon();

  /// Where the wait for the drain can be called off.
  asio::cancellation_slot drain_slot() noexcept { return drain_wait_.slot(); }

  /// Adds a completion handler, of the end of the last connection after the drain has begun.
  template <class Handler>
  void add_ended(Handler&& handler)
  {
    ended_.add(std::forward<Handler>(handler));
    tell_if_over();
  }

  /// Who is told of exceptions; stderr when it is empty.
  failure_function on_failure;

private:
  friend class session_entry;

  void schedule();
  void act();
  void end_idle(session_link<session_entry>& idle, clock::time_point now);
  void cancel_all(asio::cancellation_type type);
  clock::time_point idle_until(const session_entry& idle) const noexcept;
  void tell_if_over();
  void report(const std::exception_ptr& failure) const;

  io::alarm alarm_;
  wait_queue<> ended_;
  drain_ladder<clock> ladder_;
  asio::cancellation_signal drain_wait_;
  std::size_t size_ = 0;
  session_link<session_entry> all_;
  // In the order in which they became idle, which is also that in which their graces end.
  session_link<session_entry> idle_;
  session_link<session_entry> fresh_;
};

// Implementation

/// Whether that is how a connection may end: by its client, or by us.
/// @param closed whether its socket was closed under it.
inline bool is_ordinary_end(const std::exception_ptr& failure, bool closed)
{
  try {
    std::rethrow_exception(failure);
  } catch (const std::system_error& error) {
    for (const std::error_code& each :
        {std::error_code(asio::error::eof), std::error_code(asio::error::operation_aborted),
            std::error_code(asio::error::connection_reset),
            std::error_code(asio::error::connection_aborted),
            std::error_code(asio::error::broken_pipe), std::error_code(asio::error::not_connected),
            std::error_code(asio::error::timed_out), std::error_code(asio::error::host_unreachable),
            std::error_code(asio::error::network_unreachable)})
      if (error.code() == each) return true;
    return closed && error.code() == std::error_code(asio::error::bad_descriptor);
  } catch (...) {
    return false;
  }
}

inline session_entry::session_entry(std::shared_ptr<session_core> core) : core_(std::move(core))
{
  place_.join(core_->all_);
  ++core_->size_;
}

inline void session_entry::begin_idle()
{
  idle_place_.join(fresh_ ? core_->fresh_ : core_->idle_);
  if (!core_->closing()) return;
  idle_since_ = clock::now();
  core_->schedule();
}

inline void session_entry::end_idle() noexcept
{
  idle_place_.leave();
  fresh_ = false;
}

inline void session_entry::over(const std::exception_ptr& failure)
{
  close();
  leave();
  core_->tell_if_over();
  if (failure) core_->report(failure);
}

inline void session_entry::leave() noexcept
{
  if (place_.alone()) return;
  place_.leave();
  idle_place_.leave();
  // With the last connection nothing shall keep a worker that drains.
  if (--core_->size_ == 0) core_->alarm_.call_off();
}

inline void session_core::drain()
{
  if (closing()) return;
  drain_wait_.emit(asio::cancellation_type::terminal);
  ladder_.begin(clock::now());
  schedule();
  tell_if_over();
}

inline void session_core::abandon()
{
  // What it refers to may end with the scope.
  on_failure = nullptr;
  drain_wait_.emit(asio::cancellation_type::terminal);
  alarm_.call_off();
  ladder_.end();
  cancel_all(asio::cancellation_type::terminal);
  for_each_session(all_, [](session_entry& each) { each.close(); });
  ended_.complete_all(asio::error::operation_aborted);
}

inline session_core::clock::time_point session_core::idle_until(
    const session_entry& idle) const noexcept
{
  return ladder_.idle_until(idle.idle_since_, idle.fresh_);
}

inline void session_core::schedule()
{
  auto next = ladder_.next();
  if (!next || size_ == 0) return;
  for (session_link<session_entry>* const each : {&idle_, &fresh_})
    if (!each->alone()) next = std::min(*next, idle_until(*each->next().session()));
  alarm_.set(*next, [self = shared_from_this()] { self->act(); });
}

inline void session_core::act()
{
  const clock::time_point now = clock::now();
  end_idle(idle_, now);
  end_idle(fresh_, now);
  if (ladder_.climb(now)) {
    if (ladder_.rung() == drain_rung::total) cancel_all(asio::cancellation_type::total);
    else if (ladder_.rung() == drain_rung::terminal) cancel_all(asio::cancellation_type::terminal);
    else for_each_session(all_, [](session_entry& each) { each.close(); });
  }
  schedule();
}

inline void session_core::end_idle(session_link<session_entry>& idle, clock::time_point now)
{
  while (!idle.alone()) {
    session_entry& first = *idle.next().session();
    if (idle_until(first) > now) return;
    first.idle_place_.leave();
    // Else a request has begun, and its coroutine is about to learn of it.
    if (!first.has_input()) first.cancel(asio::cancellation_type::partial);
  }
}

inline void session_core::cancel_all(asio::cancellation_type type)
{
  for_each_session(all_, [type](session_entry& each) { each.cancel(type); });
}

inline void session_core::tell_if_over()
{
  if (closing() && size_ == 0) ended_.complete_all(std::error_code());
}

inline void session_core::report(const std::exception_ptr& failure) const
{
  if (is_ordinary_end(failure, ladder_.rung() == drain_rung::closed)) return;
  if (on_failure) on_failure(failure);
  else report_failure("connection", failure);
}

} // namespace cohort::detail
