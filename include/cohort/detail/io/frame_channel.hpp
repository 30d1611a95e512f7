// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/backoff.hpp>
#include <cohort/detail/io/frame_input.hpp>
#include <cohort/detail/io/frame_output.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/frame.hpp>
#include <cohort/error.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace cohort::detail::io {

/// Frames, and descriptors with them, both ways over a Unix stream socket.
///
/// A member of `Owner`, and as long-lived as it. `Owner` has
///   void on_frame(const wire::frame_view&, received_descriptors&)
///   void on_channel_end(std::error_code)  once: nothing more is received. `asio::error::eof`,
///   after
///       which sending goes on while it can, or what broke the channel, which is closed then
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
  bool try_send(
      std::span<const std::byte> frame, std::span<const int> descriptors, std::error_code& ec);

  /// Bytes wait here, or the last `try_send` found no room.
  bool congested() const noexcept { return output_.congested(); }
  std::size_t queued_bytes() const noexcept { return output_.queued_bytes(); }

  /// Ends this direction of the stream after what is queued. Nothing can be sent afterwards.
  void finish();

  /// For when the peer is certainly dead: reads what it had sent, now, and calls `on_frame` and
  /// (if it was not called before) `on_channel_end` for it. Goes on past ECONNRESET; stops at the
  /// end, or when nothing is there because somebody else still holds the peer's socket, or when
  /// more has come than a dead peer can have left behind.
  void read_to_end();

  /// Closes the socket. No callback follows.
  void close() noexcept;

  bool is_open() const noexcept { return descriptor_.is_open(); }
  asio::any_io_executor get_executor() { return descriptor_.get_executor(); }

private:
  enum class pending { nothing, handler, memory };
  enum class when { readable, others_ran };

  // Per wakeup: then others have a turn.
  static constexpr std::size_t byte_budget_ = 256 * 1024;
  static constexpr int call_budget_ = 16;

  using owner_ptr = std::shared_ptr<Owner>;

  // Asio has a category of its own for errno, which compares with std::errc only in part.
  static std::error_code in_system_category(const std::error_code& ec) noexcept
  {
    return {ec.value(), std::system_category()};
  }

  void read(const owner_ptr& owner);
  bool goes_on_after(const std::error_code& ec, Owner& owner);
  void deliver(Owner& owner);
  void end(Owner& owner, const std::error_code& ec);

  void flush(Owner& owner);
  void arrange(frame_output::state state);
  void report_write_failure();

  void read_again(when time);
  void wait_writable();
  void wait_for_memory(pending& direction);

  asio::posix::stream_descriptor descriptor_;
  backoff memory_;
  std::weak_ptr<Owner> owner_;
  frame_input input_;
  frame_output output_;
  int last_read_failures_ = 0;
  pending reading_ = pending::nothing;
  pending writing_ = pending::nothing;
  bool in_read_ = false;
  bool to_end_ = false;
  bool was_reset_ = false;
  bool ended_ = false;
};

// Implementation

template <class Owner>
inline frame_channel<Owner>::frame_channel(
    asio::any_io_executor executor, posix::unique_fd socket, std::uint32_t max_payload)
    : descriptor_(executor),
      memory_(executor),
      input_(max_payload)
{
  std::error_code ec;
  descriptor_.assign(socket.get(), ec);
  if (ec) output_.fail(in_system_category(ec));
  else socket.release();
}

template <class Owner>
inline void frame_channel<Owner>::start(owner_ptr owner)
{
  owner_ = owner;
  if (!is_open()) {
    asio::post(get_executor(), [this, owner] { end(*owner, output_.error()); });
    return;
  }
  if (output_.error()) report_write_failure();
  else if (congested()) wait_writable();
  read_again(when::readable);
}

template <class Owner>
inline void frame_channel<Owner>::send(std::span<const std::byte> frame)
{
  if (is_open()) arrange(output_.send(descriptor_.native_handle(), frame));
}

template <class Owner>
inline bool frame_channel<Owner>::try_send(
    std::span<const std::byte> frame, std::span<const int> descriptors, std::error_code& ec)
{
  if (!is_open()) {
    ec = error::disconnected;
    return false;
  }
  auto state = frame_output::state::done;
  const bool sent = output_.try_send(descriptor_.native_handle(), frame, descriptors, state, ec);
  if (sent) memory_.reset();
  arrange(state);
  return sent;
}

template <class Owner>
inline void frame_channel<Owner>::finish()
{
  if (is_open()) arrange(output_.finish(descriptor_.native_handle()));
}

template <class Owner>
inline void frame_channel<Owner>::read_to_end()
{
  const owner_ptr owner = owner_.lock();
  if (!owner || !is_open()) return;
  to_end_ = true;
  if (ended_) close();
  else if (!in_read_) // else on_frame called this, and the loop around it goes on to the end
    read(owner);
}

template <class Owner>
inline void frame_channel<Owner>::close() noexcept
{
  ended_ = true;
  std::error_code ignored;
  descriptor_.close(ignored);
  memory_.stop();
  input_.close_descriptors();
  output_.clear();
}

template <class Owner>
inline void frame_channel<Owner>::read(const owner_ptr& owner)
{
  in_read_ = true;
  const auto reset = [](bool* flag) { *flag = false; };
  const std::unique_ptr<bool, decltype(reset)> reading(&in_read_, reset);

  std::size_t total = 0;
  for (int calls = 0; !ended_; ++calls) {
    if (!to_end_ && (calls == call_budget_ || total >= byte_budget_)) {
      read_again(when::others_ran);
      return;
    }
    if (to_end_ && frame_input::is_endless(calls, total)) {
      end(*owner, input_.end_reason());
      return;
    }
    std::error_code ec;
    const auto arrived = input_.receive(descriptor_.native_handle(), ec);
    if (ec) {
      if (goes_on_after(ec, *owner)) continue;
      return;
    }
    if (arrived.bytes == 0) {
      end(*owner, input_.end_reason());
      return;
    }
    total += arrived.bytes;
    deliver(*owner);
    // Waiting looks at the socket anew, so nothing that came meanwhile is missed.
    if (arrived.drained && !ended_ && !to_end_ && !output_.error()) {
      read_again(when::readable);
      return;
    }
  }
}

template <class Owner>
inline void frame_channel<Owner>::deliver(Owner& owner)
{
  while (!ended_) {
    std::error_code ec;
    std::optional<frame_input::taken_descriptors> taken;
    const auto frame = input_.next(taken, ec);
    if (ec) end(owner, ec);
    if (!frame) return;
    received_descriptors received;
    if (taken) received = {taken->descriptors(), taken->truncated};
    owner.on_frame(*frame, received);
  }
}

// Tells whether to read again at once.
template <class Owner>
inline bool frame_channel<Owner>::goes_on_after(const std::error_code& ec, Owner& owner)
{
  if (ec == std::errc::connection_reset) {
    // The peer closed without reading all that we sent. That is told once; its own bytes and the
    // end of the stream are behind it.
    if (!std::exchange(was_reset_, true)) return true;
    end(owner, input_.end_reason());
  } else if (posix::would_block(ec)) {
    if (to_end_) end(owner, input_.end_reason());
    else if (output_.error()) end(owner, output_.error());
    else read_again(when::readable);
  } else if (posix::out_of_resources(ec) && !to_end_) {
    wait_for_memory(reading_);
  } else if (posix::out_of_resources(ec) &&
             ++last_read_failures_ <= frame_input::last_read_retries) {
    return true;
  } else {
    end(owner, ec);
  }
  return false;
}

template <class Owner>
inline void frame_channel<Owner>::end(Owner& owner, const std::error_code& ec)
{
  if (ended_) return;
  const std::error_code reason = ec; // `ec` may be a member that the owner changes
  ended_ = true;
  input_.close_descriptors();
  const bool can_still_send = reason == asio::error::eof && !to_end_ && !output_.error();
  if (!can_still_send) close();
  owner.on_channel_end(reason);
}

template <class Owner>
inline void frame_channel<Owner>::flush(Owner& owner)
{
  const auto before = queued_bytes();
  const auto state = output_.flush(descriptor_.native_handle());
  if (queued_bytes() < before) memory_.reset();
  arrange(state);
  if (state == frame_output::state::done) owner.on_channel_writable();
}

template <class Owner>
inline void frame_channel<Owner>::arrange(frame_output::state state)
{
  switch (state) {
  case frame_output::state::done: break;
  case frame_output::state::no_room: wait_writable(); break;
  case frame_output::state::no_memory: wait_for_memory(writing_); break;
  case frame_output::state::failed: report_write_failure(); break;
  }
}

// The peer may have sent something before it went away: that is read first, and its end is what
// the owner is told then. If there is no end, the failure to write is one.
template <class Owner>
inline void frame_channel<Owner>::report_write_failure()
{
  auto owner = owner_.lock();
  if (!owner) return;
  asio::post(get_executor(), [this, owner = std::move(owner)] {
    if (!ended_) {
      read(owner);
    } else if (is_open()) {
      // Both directions are over, and the peer has to see it.
      close();
      if (output_.failed_congested()) owner->on_channel_writable();
    }
  });
}

template <class Owner>
inline void frame_channel<Owner>::read_again(when time)
{
  auto owner = owner_.lock();
  if (!owner || reading_ != pending::nothing) return;
  reading_ = pending::handler;
  auto handler = [this, owner = std::move(owner)](std::error_code ec = {}) {
    reading_ = pending::nothing;
    if (ended_) return;
    if (ec) end(*owner, in_system_category(ec));
    else read(owner);
  };
  if (time == when::readable)
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, std::move(handler));
  else asio::post(get_executor(), std::move(handler));
}

template <class Owner>
inline void frame_channel<Owner>::wait_writable()
{
  auto owner = owner_.lock();
  if (!owner || writing_ != pending::nothing) return;
  writing_ = pending::handler;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
      [this, owner = std::move(owner)](const std::error_code& ec) {
        writing_ = pending::nothing;
        if (!is_open() || output_.error()) return;
        if (!ec) {
          flush(*owner);
        } else {
          output_.fail(in_system_category(ec));
          report_write_failure();
        }
      });
}

template <class Owner>
inline void frame_channel<Owner>::wait_for_memory(pending& direction)
{
  auto owner = owner_.lock();
  if (!owner || direction != pending::nothing) return;
  direction = pending::memory;
  memory_.wait([this, owner = std::move(owner)] {
    const bool write = writing_ == pending::memory;
    const bool read_again = reading_ == pending::memory;
    if (write) writing_ = pending::nothing;
    if (read_again) reading_ = pending::nothing;
    if (write && is_open() && !output_.error()) flush(*owner);
    if (read_again && !ended_) read(owner);
  });
}

} // namespace cohort::detail::io
