// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/bound_place.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <system_error>
#include <utility>

namespace cohort::detail::io {

/// A listening socket whose connections are for others: it accepts without making Asio sockets of
/// them, many at a time, and waits for more, or for room in a full descriptor table.
///
/// A Unix path is removed when it closes, unless somebody else has put another file there. Handlers
/// have to keep their owner alive.
class listener {
public:
  /// Whose socket it is.
  enum class owner {
    self,
    /// Other processes accept from it as well, and its path is not to be removed.
    others_too,
    /// Somebody else has made it, and sees to its path.
    elsewhere,
  };

  /// With an error, because Asio cannot watch it, it is not open.
  listener(const asio::any_io_executor& executor, posix::unique_fd socket, posix::bound_place bound,
      std::error_code& error, owner whose = owner::self);
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  ~listener() { close(); }

  const asio::any_io_executor& get_executor() noexcept { return executor_; }
  /// What others may know of it: unnamed when its path is too long for an address.
  const posix::socket_address& bound() const noexcept { return bound_; }
  bool is_open() const noexcept { return socket_.is_open() || unwatched_; }
  int native_handle() noexcept { return unwatched_ ? unwatched_.get() : socket_.native_handle(); }

  /// Accepts up to `limit` connections, each given to `take(unique_fd, const socket_address&
  /// peer)`.
  ///
  /// @param thorough whether to ask until the kernel says that none is left. Otherwise it is taken
  ///   for granted for a while after a wakeup that brought a single connection.
  /// @return no error when `limit` were taken; `would_block` when none is left, then `wait`; any
  ///   other when none can be taken now, then `back_off`.
  template <class Take>
  std::error_code accept(std::size_t limit, bool thorough, Take&& take);

  /// Whether the kernel had no connection when it was last asked.
  bool is_empty() const noexcept { return empty_; }

  /// Calls `handler()` when a connection may be there, or when it is worth trying again. One of
  /// them at a time; neither after `interrupt` or `close`.
  template <class Handler>
  void wait(Handler handler);
  template <class Handler>
  void back_off(Handler handler);
  /// The same after a moment in which other processes may accept who is there. They do not wake
  /// this one by it: it does not watch the socket meanwhile.
  template <class Handler>
  void let_others_go_first(Handler handler);
  bool is_waiting() const noexcept { return waiting_; }

  /// Ends the wait, without its handler.
  void interrupt() noexcept;

  void close() noexcept;
  /// The path is to be removed when this closes, though somebody else has made the socket.
  void own_path() noexcept { file_ = posix::file_of(place_.address); }
  /// Another process goes on with the socket: it is closed here, and its path stays.
  void let_go() noexcept
  {
    file_ = posix::socket_file();
    close();
  }

private:
  // An accept that finds nothing costs as much as one that succeeds.
  static constexpr unsigned single_accepts_ = 7;
  // Long enough not to spin, short enough that nobody notices the pause.
  static constexpr std::chrono::milliseconds pause_{50};

  // More than enough for one that has nothing else to do.
  static constexpr std::chrono::milliseconds moment_for_others_{1};

  template <class Handler>
  auto guarded(Handler handler);
  template <class Handler>
  void call_after(std::chrono::milliseconds pause, Handler handler);
  void watch_again();

  asio::any_io_executor executor_;
  asio::posix::stream_descriptor socket_;
  // The socket while it is not watched: others go first, or there was no memory to watch it again.
  posix::unique_fd unwatched_;
  asio::steady_timer timer_;
  posix::bound_place place_;
  posix::socket_address bound_;
  posix::socket_file file_;
  unsigned expect_single_ = 0;
  // Which wait is in force: an earlier one may be on its way to its handler already.
  unsigned wait_number_ = 0;
  bool waiting_ = false;
  bool empty_ = false;
};

// Implementation

inline listener::listener(const asio::any_io_executor& executor, posix::unique_fd socket,
    posix::bound_place bound, std::error_code& error, owner whose)
    : executor_(executor),
      socket_(executor),
      timer_(executor),
      place_(std::move(bound)),
      bound_(place_.shown()),
      file_(whose == owner::self ? posix::file_of(place_.address) : posix::socket_file())
{
  socket_.assign(socket.get(), error);
  if (!error) socket.release();
  else posix::unlink_path(place_.address, file_);
}

template <class Take>
std::error_code listener::accept(std::size_t limit, bool thorough, Take&& take)
{
  const bool single = !thorough && expect_single_ != 0;
  if (single) --expect_single_;
  for (std::size_t accepted = 0; accepted != limit; ++accepted) {
    // The wait looks at the socket anew, so that nothing is missed.
    if (single && accepted == 1) return {EAGAIN, std::system_category()};
    std::error_code error;
    posix::socket_address peer;
    posix::unique_fd connection = posix::accept_stream(native_handle(), &peer, error);
    // The connection failed, not the listener: the next one may be fine.
    if (error && posix::connection_failed(error)) continue;
    empty_ = error && posix::would_block(error);
    if (empty_ && accepted == 1) expect_single_ = single_accepts_;
    if (error) return error;
    take(std::move(connection), peer);
  }
  return std::error_code();
}

template <class Handler>
auto listener::guarded(Handler handler)
{
  return [this, number = ++wait_number_, handler = std::move(handler)](std::error_code) mutable {
    // The handler holds the owner of this object, which is alive as long as it exists.
    if (!waiting_ || number != wait_number_) return;
    waiting_ = false;
    handler();
  };
}

template <class Handler>
void listener::wait(Handler handler)
{
  watch_again();
  if (unwatched_) return back_off(std::move(handler));
  socket_.async_wait(socket_.wait_read, guarded(std::move(handler)));
  waiting_ = true;
}

inline void listener::watch_again()
{
  if (!unwatched_) return;
  std::error_code error;
  socket_.assign(unwatched_.get(), error);
  if (!error) unwatched_.release();
}

template <class Handler>
void listener::back_off(Handler handler)
{
  call_after(pause_, std::move(handler));
}

template <class Handler>
void listener::let_others_go_first(Handler handler)
{
  if (!unwatched_) unwatched_.reset(socket_.release());
  call_after(moment_for_others_, std::move(handler));
}

template <class Handler>
void listener::call_after(std::chrono::milliseconds pause, Handler handler)
{
  timer_.expires_after(pause);
  timer_.async_wait(guarded(std::move(handler)));
  waiting_ = true;
}

inline void listener::interrupt() noexcept
{
  waiting_ = false;
  std::error_code ignored;
  socket_.cancel(ignored);
  timer_.cancel();
}

inline void listener::close() noexcept
{
  if (!is_open()) return;
  interrupt();
  // First the path: as long as the socket is open no other file can have got its number.
  posix::unlink_path(place_.address, file_);
  std::error_code ignored;
  socket_.close(ignored);
  unwatched_.reset();
  place_.directory.reset();
}

} // namespace cohort::detail::io
