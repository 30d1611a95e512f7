// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/byte_queue.hpp>
#include <cohort/detail/wire/descriptor_queue.hpp>
#include <cohort/detail/wire/frame.hpp>
#include <cohort/error.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/posix/descriptor_base.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <system_error>
#include <utility>

namespace cohort::detail::io {

/// The descriptors that came with a frame. What the owner does not move out is closed.
struct received_descriptors {
  std::span<posix::unique_fd> fds;
  /// Some or all were lost on the way; `fds` is what arrived.
  bool truncated = false;
};

/// Frames, and descriptors with them, both ways over a Unix stream socket.
///
/// A member of `Owner`, and as long-lived as it. `Owner` has
///   void on_frame(const wire::frame_view&, received_descriptors&)
///   void on_channel_end(std::error_code)  once: nothing more can be received. `asio::error::eof`,
///       after which sending goes on; or what broke the channel, which is closed then
///   void on_channel_writable()            `congested()` was true and is false again
/// None of them is called by `start`, `send`, `try_send`, `finish` or `close`; each may call any
/// function of the channel and may drop the last other reference to the owner.
template <class Owner>
class frame_channel {
public:
  frame_channel(asio::any_io_executor executor, posix::unique_fd socket, std::uint32_t max_payload);
  frame_channel(const frame_channel&) = delete;
  frame_channel& operator=(const frame_channel&) = delete;

  /// Begins to read. Waiting handlers keep the owner alive while the channel can be read.
  void start(std::shared_ptr<Owner> owner);

  /// Sends a whole frame, header included: at once when nothing waits, else queued in order.
  /// Dropped when nothing can be sent any more, which `on_channel_end` tells.
  void send(std::span<const std::byte> frame);

  /// Sends a whole frame with descriptors, which stay the caller's, or nothing of it.
  ///
  /// False without an error means that there is no room now; `congested()` is true then and
  /// `on_channel_writable` follows. Errors: `error::disconnected`, or why the kernel refused.
  bool try_send(std::span<const std::byte> frame,
                std::span<const int> descriptors,
                std::error_code& ec);

  /// Bytes wait here, or the last `try_send` found no room.
  bool congested() const noexcept { return refused_ || !output_.empty(); }
  std::size_t queued_bytes() const noexcept { return output_.size(); }

  /// Ends this direction of the stream after what is queued. Nothing can be sent afterwards.
  void finish();

  /// For when the peer is certainly dead: reads what it had sent, now, and calls `on_frame` and
  /// (if it was not called before) `on_channel_end` for it. Goes on past ECONNRESET; stops at the
  /// end, or when nothing is there because somebody else still holds the peer's socket.
  void read_to_end();

  /// Closes the socket. No callback follows.
  void close() noexcept;

  bool is_open() const noexcept { return descriptor_.is_open(); }
  asio::any_io_executor get_executor() { return descriptor_.get_executor(); }

private:
  enum class pending { nothing, handler, timer };

  struct arrival {
    std::size_t bytes = 0;
    bool drained = false; // nothing more was there at that moment
  };

  static constexpr std::size_t large_read_ = 64 * 1024;
  static constexpr std::size_t small_read_ = 16 * 1024;
  static constexpr std::size_t read_budget_ = 256 * 1024;
  static constexpr int call_budget_ = 16; // per wakeup, as read_budget_: then others have a turn
  static constexpr int memory_retries_ = 16;
  static constexpr std::chrono::milliseconds first_delay_{1};
  static constexpr std::chrono::milliseconds last_delay_{100};

  using owner_ptr = std::shared_ptr<Owner>;

  void read(const owner_ptr& owner);
  arrival receive(std::error_code& ec);
  void deliver(Owner& owner);
  bool goes_on_after(const std::error_code& ec, Owner& owner);
  void input_ended(Owner& owner);
  void end(Owner& owner, const std::error_code& ec);

  bool can_send() const noexcept { return is_open() && !finishing_ && !write_error_; }
  void queue(std::span<const std::byte> bytes);
  void flush(Owner& owner);
  void write_stopped(const std::error_code& ec);
  void write_failed(const std::error_code& ec);
  void report_write_failure(bool was_congested);
  void shut_down();

  void wait_readable();
  void read_later();
  void wait_writable();
  void wait_timer(pending& direction);

  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer timer_;
  std::weak_ptr<Owner> owner_;
  wire::frame_decoder decoder_;
  wire::descriptor_queue<posix::unique_fd> descriptors_;
  posix::fd_sink arrived_;
  wire::byte_queue output_;
  std::error_code write_error_;
  std::chrono::milliseconds delay_ = first_delay_;
  pending reading_ = pending::nothing;
  pending writing_ = pending::nothing;
  int memory_failures_ = 0;
  bool timer_runs_ = false;
  bool in_read_ = false;
  bool to_end_ = false;
  bool was_reset_ = false;
  bool ended_ = false;
  bool refused_ = false;
  bool finishing_ = false;
};

} // namespace cohort::detail::io

// Implementation

namespace cohort::detail::io {

// Asio has a category of its own for errno, which compares with std::errc only in part.
inline std::error_code in_system_category(const std::error_code& ec) noexcept
{
  return {ec.value(), std::system_category()};
}

template <class Owner>
inline frame_channel<Owner>::frame_channel(asio::any_io_executor executor,
                                           posix::unique_fd socket,
                                           std::uint32_t max_payload)
    : descriptor_(executor), timer_(executor), decoder_(max_payload)
{
  descriptor_.assign(socket.get(), write_error_);
  write_error_ = in_system_category(write_error_);
  if (!write_error_) socket.release();
}

template <class Owner>
inline void frame_channel<Owner>::start(owner_ptr owner)
{
  owner_ = owner;
  if (!is_open())
    asio::post(get_executor(), [this, owner] { end(*owner, write_error_); });
  else if (write_error_)
    report_write_failure(false);
  else if (congested() && writing_ == pending::nothing)
    wait_writable();
  if (is_open()) wait_readable();
}

template <class Owner>
inline void frame_channel<Owner>::send(std::span<const std::byte> frame)
{
  if (!can_send()) return;
  if (congested()) {
    queue(frame);
    return;
  }
  const iovec data{const_cast<std::byte*>(frame.data()), frame.size()};
  std::error_code ec;
  const auto written = posix::send_with_fds(descriptor_.native_handle(), {&data, 1}, {}, ec);
  if (written == frame.size()) return;
  queue(frame.subspan(written));
  write_stopped(ec);
}

template <class Owner>
inline bool frame_channel<Owner>::try_send(std::span<const std::byte> frame,
                                           std::span<const int> descriptors,
                                           std::error_code& ec)
{
  ec.clear();
  if (!can_send()) {
    ec = error::disconnected;
    return false;
  }
  if (congested()) {
    refused_ = true;
    return false;
  }
  const iovec data{const_cast<std::byte*>(frame.data()), frame.size()};
  const auto written = posix::send_with_fds(descriptor_.native_handle(), {&data, 1}, descriptors, ec);
  if (!ec) {
    delay_ = first_delay_;
    if (written != frame.size()) {
      // The descriptors went with the first byte and must not be sent again.
      queue(frame.subspan(written));
      write_stopped(ec);
    }
    return true;
  }
  if (posix::would_block(ec) || posix::out_of_resources(ec)) {
    refused_ = true;
    write_stopped(std::exchange(ec, std::error_code()));
  } else if (ec == std::errc::broken_pipe || ec == std::errc::connection_reset ||
             ec == std::errc::not_connected) {
    write_failed(ec);
  }
  // Any other error is about these descriptors, and nothing was written.
  return false;
}

template <class Owner>
inline void frame_channel<Owner>::finish()
{
  if (!can_send()) return;
  finishing_ = true;
  if (output_.empty()) shut_down();
}

template <class Owner>
inline void frame_channel<Owner>::read_to_end()
{
  const owner_ptr owner = owner_.lock();
  if (!owner || !is_open()) return;
  to_end_ = true;
  if (ended_)
    close();
  else if (!in_read_) // else on_frame called this, and the loop around it goes on to the end
    read(owner);
}

template <class Owner>
inline void frame_channel<Owner>::close() noexcept
{
  ended_ = true;
  refused_ = false;
  std::error_code ignored;
  descriptor_.close(ignored);
  timer_.cancel();
  descriptors_.clear();
  output_.clear();
}

template <class Owner>
inline void frame_channel<Owner>::read(const owner_ptr& owner)
{
  struct flag {
    bool& value;
    explicit flag(bool& to) : value(to) { value = true; }
    ~flag() { value = false; }
  } reading(in_read_);

  std::size_t total = 0;
  for (int calls = 0; !ended_; ++calls) {
    if (!to_end_ && (calls == call_budget_ || total >= read_budget_)) {
      read_later();
      return;
    }
    std::error_code ec;
    const auto arrived = receive(ec);
    if (ec) {
      if (goes_on_after(ec, *owner)) continue;
      return;
    }
    if (arrived.bytes == 0) {
      input_ended(*owner);
      return;
    }
    total += arrived.bytes;
    deliver(*owner);
    // Waiting looks at the socket anew, so nothing that came meanwhile is missed.
    if (arrived.drained && !ended_ && !to_end_ && !write_error_) {
      wait_readable();
      return;
    }
  }
}

template <class Owner>
inline auto frame_channel<Owner>::receive(std::error_code& ec) -> arrival
{
  try {
    const auto room = decoder_.prepare(decoder_.buffered() == 0 ? large_read_ : small_read_);
    const auto got = posix::receive_with_fds(descriptor_.native_handle(), room, arrived_, ec);
    if (ec) return {};
    decoder_.commit(got.bytes);
    const bool plain = arrived_.empty() && !got.truncated;
    descriptors_.push(arrived_, got.truncated);
    arrived_.clear();
    return {got.bytes, plain && got.bytes < room.size()};
  } catch (const std::bad_alloc&) {
    // Before anything was read it can be tried again; what was read and not kept is lost.
    if (arrived_.empty())
      ec = std::error_code(ENOMEM, std::system_category());
    else
      ec = std::make_error_code(std::errc::not_enough_memory);
    arrived_.clear();
    return {};
  }
}

template <class Owner>
inline void frame_channel<Owner>::deliver(Owner& owner)
{
  std::error_code ec;
  while (!ended_) {
    const auto frame = decoder_.next(ec);
    if (!frame) break;
    if (frame->header.descriptors == 0) {
      received_descriptors none;
      owner.on_frame(*frame, none);
      continue;
    }
    auto taken = descriptors_.take(frame->header.descriptors, ec);
    if (ec) break;
    received_descriptors received{taken.descriptors(), taken.truncated};
    owner.on_frame(*frame, received);
  }
  if (!ec && !ended_ && !descriptors_.fits(decoder_.awaited_descriptors()))
    ec = error::protocol_violation;
  if (ec) end(owner, ec);
}

// Tells whether to read again at once.
template <class Owner>
inline bool frame_channel<Owner>::goes_on_after(const std::error_code& ec, Owner& owner)
{
  if (ec == std::errc::connection_reset) {
    // The peer closed without reading all that we sent. That is told once; its own bytes and the
    // end of the stream are behind it.
    if (!std::exchange(was_reset_, true)) return true;
    input_ended(owner);
  } else if (posix::would_block(ec)) {
    if (to_end_)
      input_ended(owner);
    else if (write_error_)
      end(owner, write_error_);
    else
      wait_readable();
  } else if (posix::out_of_resources(ec) && !to_end_) {
    wait_timer(reading_);
  } else if (posix::out_of_resources(ec) && ++memory_failures_ <= memory_retries_) {
    return true;
  } else {
    end(owner, ec);
  }
  return false;
}

template <class Owner>
inline void frame_channel<Owner>::input_ended(Owner& owner)
{
  std::error_code ec;
  decoder_.finish(ec);
  end(owner, ec ? ec : std::error_code(asio::error::eof));
}

template <class Owner>
inline void frame_channel<Owner>::end(Owner& owner, const std::error_code& ec)
{
  if (ended_) return;
  const std::error_code reason = ec; // `ec` may be a member that the owner changes
  if (reason == asio::error::eof && !to_end_) {
    ended_ = true;
    descriptors_.clear();
  } else {
    close();
  }
  owner.on_channel_end(reason);
}

template <class Owner>
inline void frame_channel<Owner>::queue(std::span<const std::byte> bytes)
{
  try {
    output_.push(bytes);
  } catch (const std::bad_alloc&) {
    // The stream would go on with a hole in it.
    write_failed(std::make_error_code(std::errc::not_enough_memory));
  }
}

template <class Owner>
inline void frame_channel<Owner>::flush(Owner& owner)
{
  for (int calls = 0; !output_.empty(); ++calls) {
    if (calls == call_budget_) {
      wait_writable();
      return;
    }
    const auto front = output_.front();
    const iovec data{const_cast<std::byte*>(front.data()), front.size()};
    std::error_code ec;
    const auto written = posix::send_with_fds(descriptor_.native_handle(), {&data, 1}, {}, ec);
    if (ec) {
      write_stopped(ec);
      return;
    }
    delay_ = first_delay_;
    output_.pop(written);
  }
  refused_ = false;
  if (finishing_) shut_down();
  owner.on_channel_writable();
}

// No error: the kernel took a part and has no room for the rest.
template <class Owner>
inline void frame_channel<Owner>::write_stopped(const std::error_code& ec)
{
  if (write_error_) return;
  if (!ec || posix::would_block(ec))
    wait_writable();
  else if (posix::out_of_resources(ec))
    wait_timer(writing_);
  else
    write_failed(ec);
}

template <class Owner>
inline void frame_channel<Owner>::write_failed(const std::error_code& ec)
{
  if (write_error_) return;
  write_error_ = ec;
  const bool was_congested = congested();
  refused_ = false;
  output_.clear();
  report_write_failure(was_congested);
}

// The peer may have sent something before it went away: that is read first, and its end is what
// the owner is told then. If there is no end, the failure to write is one.
template <class Owner>
inline void frame_channel<Owner>::report_write_failure(bool was_congested)
{
  auto owner = owner_.lock();
  if (!owner) return;
  asio::post(get_executor(), [this, owner = std::move(owner), was_congested] {
    if (!is_open()) return;
    if (!ended_)
      read(owner);
    else if (was_congested)
      owner->on_channel_writable();
  });
}

template <class Owner>
inline void frame_channel<Owner>::shut_down()
{
  std::error_code ec;
  posix::shutdown_write(descriptor_.native_handle(), ec);
  if (ec) write_failed(ec);
}

template <class Owner>
inline void frame_channel<Owner>::wait_readable()
{
  if (reading_ != pending::nothing) return;
  auto owner = owner_.lock();
  if (!owner) return;
  reading_ = pending::handler;
  descriptor_.async_wait(asio::posix::descriptor_base::wait_read,
                         [this, owner = std::move(owner)](const std::error_code& ec) {
                           reading_ = pending::nothing;
                           if (ended_) return;
                           if (ec)
                             end(*owner, in_system_category(ec));
                           else
                             read(owner);
                         });
}

template <class Owner>
inline void frame_channel<Owner>::read_later()
{
  if (reading_ != pending::nothing) return;
  auto owner = owner_.lock();
  if (!owner) return;
  reading_ = pending::handler;
  asio::post(get_executor(), [this, owner = std::move(owner)] {
    reading_ = pending::nothing;
    if (!ended_) read(owner);
  });
}

template <class Owner>
inline void frame_channel<Owner>::wait_writable()
{
  if (writing_ != pending::nothing) return;
  auto owner = owner_.lock();
  if (!owner) return;
  writing_ = pending::handler;
  descriptor_.async_wait(asio::posix::descriptor_base::wait_write,
                         [this, owner = std::move(owner)](const std::error_code& ec) {
                           writing_ = pending::nothing;
                           if (!is_open() || write_error_) return;
                           if (ec)
                             write_failed(in_system_category(ec));
                           else
                             flush(*owner);
                         });
}

// Readiness does not tell when memory, or room in a table, is there again.
template <class Owner>
inline void frame_channel<Owner>::wait_timer(pending& direction)
{
  if (direction != pending::nothing) return;
  auto owner = owner_.lock();
  if (!owner) return;
  direction = pending::timer;
  if (std::exchange(timer_runs_, true)) return;
  timer_.expires_after(delay_);
  delay_ = std::min(2 * delay_, last_delay_);
  timer_.async_wait([this, owner = std::move(owner)](const std::error_code&) {
    timer_runs_ = false;
    const bool write = writing_ == pending::timer;
    const bool read_again = reading_ == pending::timer;
    if (write) writing_ = pending::nothing;
    if (read_again) reading_ = pending::nothing;
    if (write && is_open() && !write_error_) flush(*owner);
    if (read_again && !ended_) read(owner);
  });
}

} // namespace cohort::detail::io
