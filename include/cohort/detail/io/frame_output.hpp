// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/wire/byte_queue.hpp>
#include <cohort/error.hpp>

#include <cstddef>
#include <new>
#include <span>
#include <system_error>
#include <utility>

namespace cohort::detail::io {

/// The writing half of a channel, without its waits: it says what to wait for.
class frame_output {
public:
  enum class state {
    done,      ///< Nothing has to be waited for because of this call.
    no_room,   ///< `flush` when the socket is writable.
    no_memory, ///< `flush` after a pause: readiness does not tell when memory is there again.
    failed,    ///< Nothing can be written any more; `error()` tells why, what waited is dropped.
  };

  /// Whether anything can still be sent: neither finished nor failed.
  bool accepts() const noexcept { return !finishing_ && !error_; }
  bool congested() const noexcept { return refused_ || !queue_.empty(); }
  std::size_t queued_bytes() const noexcept { return queue_.size(); }
  const std::error_code& error() const noexcept { return error_; }

  /// Whether somebody waited for room when it failed.
  bool failed_congested() const noexcept { return failed_congested_; }

  /// Writes at once when nothing waits, else queues.
  state send(int socket, std::span<const std::byte> frame);

  /// Writes the frame's beginning with `descriptors` and queues its rest, or does nothing of it:
  /// then the result is false and `ec` tells an error that is more than a lack of room.
  bool try_send(int socket, std::span<const std::byte> frame, std::span<const int> descriptors,
      state& now, std::error_code& ec);

  /// Writes what waits. `done`: all is gone, and a `try_send` may find room again.
  state flush(int socket);

  /// Ends this direction of the stream when all that waits is written.
  state finish(int socket);

  void fail(const std::error_code& ec) noexcept;

  /// Drops what waits.
  void clear() noexcept;

private:
  // Per flush: then others have a turn.
  static constexpr int call_budget_ = 16;

  static std::size_t write(int socket, std::span<const std::byte> bytes,
      std::span<const int> descriptors, std::error_code& ec) noexcept;
  state queue(std::span<const std::byte> bytes) noexcept;
  state stopped(const std::error_code& ec) noexcept;
  state shut_down(int socket) noexcept;

  wire::byte_queue queue_;
  std::error_code error_;
  bool refused_ = false;
  bool finishing_ = false;
  bool failed_congested_ = false;
};

// Implementation

inline auto frame_output::send(int socket, std::span<const std::byte> frame) -> state
{
  if (!accepts()) return state::done;
  if (congested()) return queue(frame);
  std::error_code ec;
  const auto written = write(socket, frame, {}, ec);
  if (written == frame.size()) return state::done;
  const auto queued = queue(frame.subspan(written));
  return queued == state::failed ? queued : stopped(ec);
}

inline bool frame_output::try_send(int socket, std::span<const std::byte> frame,
    std::span<const int> descriptors, state& now, std::error_code& ec)
{
  now = state::done;
  ec.clear();
  if (!accepts()) {
    ec = error::disconnected;
    return false;
  }
  if (congested()) {
    refused_ = true;
    return false;
  }
  const auto written = write(socket, frame, descriptors, ec);
  if (!ec) {
    // The descriptors went with the first byte and must not be sent again.
    if (written != frame.size()) now = queue(frame.subspan(written));
    if (now == state::done && congested()) now = state::no_room;
    return true;
  }
  if (posix::would_block(ec) || posix::out_of_resources(ec)) {
    refused_ = true;
    now = stopped(std::exchange(ec, std::error_code()));
  } else if (ec == std::errc::broken_pipe || ec == std::errc::connection_reset ||
             ec == std::errc::not_connected) {
    now = stopped(ec);
  }
  // Any other error is about these descriptors, and nothing was written.
  return false;
}

inline auto frame_output::flush(int socket) -> state
{
  for (int calls = 0; !queue_.empty(); ++calls) {
    if (calls == call_budget_) return state::no_room;
    std::error_code ec;
    const auto written = write(socket, queue_.front(), {}, ec);
    if (ec) return stopped(ec);
    queue_.pop(written);
  }
  refused_ = false;
  return finishing_ ? shut_down(socket) : state::done;
}

inline auto frame_output::finish(int socket) -> state
{
  if (!accepts()) return state::done;
  finishing_ = true;
  return queue_.empty() ? shut_down(socket) : state::done;
}

inline void frame_output::fail(const std::error_code& ec) noexcept
{
  error_ = ec;
  failed_congested_ = congested();
  clear();
}

inline void frame_output::clear() noexcept
{
  refused_ = false;
  queue_.clear();
}

inline std::size_t frame_output::write(int socket, std::span<const std::byte> bytes,
    std::span<const int> descriptors, std::error_code& ec) noexcept
{
  const iovec data{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return posix::send_with_fds(socket, {&data, 1}, descriptors, ec);
}

inline auto frame_output::queue(std::span<const std::byte> bytes) noexcept -> state
{
  try {
    queue_.push(bytes);
    return state::done;
  } catch (const std::bad_alloc&) {
    // The stream would go on with a hole in it.
    fail(std::make_error_code(std::errc::not_enough_memory));
    return state::failed;
  }
}

// No error: the kernel took a part and has no room for the rest.
inline auto frame_output::stopped(const std::error_code& ec) noexcept -> state
{
  if (!ec || posix::would_block(ec)) return state::no_room;
  if (posix::out_of_resources(ec)) return state::no_memory;
  fail(ec);
  return state::failed;
}

inline auto frame_output::shut_down(int socket) noexcept -> state
{
  std::error_code ec;
  posix::shutdown_write(socket, ec);
  if (!ec) return state::done;
  fail(ec);
  return state::failed;
}

} // namespace cohort::detail::io
