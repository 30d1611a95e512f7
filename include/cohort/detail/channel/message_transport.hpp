// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_memory.hpp>
#include <cohort/detail/channel/message_output.hpp>
#include <cohort/detail/io/backoff.hpp>
#include <cohort/detail/io/frame_input.hpp>
#include <cohort/detail/posix/channel_registry.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/error.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/bind_allocator.hpp>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// Messages, not yet understood, both ways over a Unix stream socket.
///
/// It reads only what its owner wants, and writes many messages with one system call: what is sent
/// within one turn of the event loop leaves together.
///
/// A member of `Owner`, and as long-lived as it. `Owner` has
///   bool wants_messages()             whether there is somebody to read for, and room
///   void on_message(const wire::message_view&, io::received_descriptors&)
///   void on_input_end(std::error_code) once: nothing more is received; `asio::error::eof`, or why
///   void on_written()                 `output()` has made progress, or has failed
/// None of them may run a program's code, as `read` and `send` call them too.
template <class Owner>
class message_transport {
public:
  message_transport(
      const asio::any_io_executor& executor, posix::unique_fd socket, std::uint32_t max_message);
  message_transport(const message_transport&) = delete;
  message_transport& operator=(const message_transport&) = delete;

  void set_owner(std::weak_ptr<Owner> owner) noexcept { owner_ = std::move(owner); }

  /// Reads while the owner wants messages: now what is there, later what comes.
  void read();

  /// The same in the next turn of the event loop.
  void read_later();

  /// Hands over what is wanted of what has been read already; no system call.
  void read_buffered(Owner& owner);

  /// For when the peer is certainly gone: reads all that it had sent, now, wanted or not, and
  /// then ends.
  void read_to_end();

  /// Queues a whole message; its writing begins before the next turn of the event loop.
  void send(byte_sink& message, message_output::descriptors riders);

  /// Ends this direction of the stream after what is queued.
  void finish();

  const message_output& output() const noexcept { return output_; }
  bool input_ended() const noexcept { return input_ended_; }
  bool is_open() const noexcept { return descriptor_.is_open(); }

  /// Gives the peer up: closes, and tells the owner so.
  void end(const std::error_code& reason);

  /// Closes the socket. No call of the owner follows.
  void close() noexcept;

private:
  enum class pending { nothing, posted, handler, memory };

  // Per wakeup: then others have a turn.
  static constexpr std::size_t byte_budget_ = 256 * 1024;
  // What is queued beyond it is written at once, so that the peer can begin.
  static constexpr std::size_t eager_flush_ = 64 * 1024;

  using owner_ptr = std::shared_ptr<Owner>;

  void read(Owner& owner);
  bool deliver(Owner& owner);
  void read_failed(Owner& owner, const std::error_code& error);
  void end_input(Owner& owner, const std::error_code& reason);
  void wait_readable();

  void schedule_flush();
  void flush(Owner& owner);
  void wait_writable();
  void wait_for_memory(pending& direction);
  template <class Handler>
  void later(Handler handler);

  // Before the descriptor: its operations lie in there.
  wait_memory reading_memory_, writing_memory_;
  asio::posix::stream_descriptor descriptor_;
  io::backoff memory_;
  posix::channel_mark mark_;
  std::weak_ptr<Owner> owner_;
  io::frame_input input_;
  message_output output_;
  pending reading_ = pending::nothing;
  pending writing_ = pending::nothing;
  // What is sent first after something has come is an answer to it, most likely: it leaves at once.
  bool answers_ = false;
  // The last write found no room: another one has to wait for it.
  bool blocked_ = false;
  bool in_read_ = false;
  bool drained_ = false;
  bool to_end_ = false;
  bool was_reset_ = false;
  bool input_ended_ = false;
};

// Implementation

template <class Owner>
message_transport<Owner>::message_transport(
    const asio::any_io_executor& executor, posix::unique_fd socket, std::uint32_t max_message)
    : descriptor_(executor),
      memory_(executor),
      // The type and layout at the front of the payload are not the message's own.
      input_(max_message + (wire::message_head_size - wire::header_size))
{
  std::error_code error;
  descriptor_.assign(socket.get(), error);
  if (error) {
    input_ended_ = true;
    output_.fail();
    return;
  }
  socket.release();
  // Without the mark it works as well; only sending it to somebody would not be refused.
  std::error_code ignored;
  mark_ = posix::channel_mark(descriptor_.native_handle(), ignored);
}

template <class Owner>
void message_transport<Owner>::close() noexcept
{
  input_ended_ = true;
  std::error_code ignored;
  descriptor_.close(ignored);
  mark_ = posix::channel_mark();
  memory_.stop();
  input_.close_descriptors();
  output_.fail();
}

template <class Owner>
void message_transport<Owner>::read()
{
  // Who calls out of `on_message` is in the loop that goes on anyway.
  if (in_read_ || reading_ != pending::nothing) return;
  if (const owner_ptr owner = owner_.lock()) read(*owner);
}

template <class Owner>
void message_transport<Owner>::read_later()
{
  if (in_read_ || reading_ != pending::nothing || input_ended_) return;
  later([this](Owner& owner) {
    reading_ = pending::nothing;
    read(owner);
  });
  reading_ = pending::handler;
}

template <class Owner>
void message_transport<Owner>::read_buffered(Owner& owner)
{
  if (!in_read_ && !input_ended_) deliver(owner);
}

template <class Owner>
void message_transport<Owner>::read_to_end()
{
  const owner_ptr owner = owner_.lock();
  to_end_ = true;
  if (owner && !in_read_ && is_open()) read(*owner);
}

template <class Owner>
void message_transport<Owner>::read(Owner& owner)
{
  in_read_ = true;
  const auto reset = [](bool* flag) { *flag = false; };
  const std::unique_ptr<bool, decltype(reset)> reading(&in_read_, reset);

  std::size_t total = 0;
  int retries = 0;
  // What was read before, and not wanted then, comes first.
  for (int calls = 0; deliver(owner); ++calls) {
    // Nothing more was there the last time; waiting looks at the socket anew.
    if (std::exchange(drained_, false) && !to_end_) return wait_readable();
    if (!to_end_ && total >= byte_budget_) {
      in_read_ = false;
      return read_later();
    }
    if (to_end_ && io::frame_input::is_endless(calls, total))
      return end_input(owner, input_.end_reason());
    std::error_code error;
    const auto arrived = input_.receive(descriptor_.native_handle(), error);
    if (error == std::errc::connection_reset && !std::exchange(was_reset_, true)) continue;
    if (to_end_ && posix::out_of_resources(error) &&
        ++retries <= io::frame_input::last_read_retries)
      continue;
    if (error) return read_failed(owner, error);
    if (arrived.bytes == 0) return end_input(owner, input_.end_reason());
    total += arrived.bytes;
    drained_ = arrived.drained;
  }
}

// Whether more can be read: everything that was read is delivered, and more is wanted.
template <class Owner>
bool message_transport<Owner>::deliver(Owner& owner)
{
  while (!input_ended_ && (to_end_ || owner.wants_messages())) {
    std::error_code error;
    std::optional<io::frame_input::taken_descriptors> taken;
    const auto frame = input_.next(taken, error);
    if (error) {
      end_input(owner, error);
      return false;
    }
    if (!frame) return true;
    const auto message = wire::decode_message(*frame);
    if (!message) {
      end_input(owner, error::protocol_violation);
      return false;
    }
    io::received_descriptors received;
    if (taken) received = {taken->descriptors(), taken->truncated};
    owner.on_message(*message, received);
  }
  return false;
}

template <class Owner>
void message_transport<Owner>::read_failed(Owner& owner, const std::error_code& error)
{
  if (posix::would_block(error) && !to_end_) wait_readable();
  else if (posix::out_of_resources(error) && !to_end_) wait_for_memory(reading_);
  // After a reset, or of a socket that somebody else holds: what it sent has been read.
  else if (posix::would_block(error) || error == std::errc::connection_reset)
    end_input(owner, input_.end_reason());
  else end_input(owner, error);
}

template <class Owner>
void message_transport<Owner>::end_input(Owner& owner, const std::error_code& reason)
{
  if (std::exchange(input_ended_, true)) return;
  input_.close_descriptors();
  // A peer that breaks the rules, or is gone, gets nothing more.
  if (reason != asio::error::eof || to_end_) close();
  owner.on_input_end(reason);
}

template <class Owner>
void message_transport<Owner>::end(const std::error_code& reason)
{
  if (const owner_ptr owner = owner_.lock()) end_input(*owner, reason);
}

// Here and below: what throws for lack of memory has not begun to wait.
template <class Owner>
void message_transport<Owner>::wait_readable()
{
  owner_ptr owner = owner_.lock();
  if (!owner || reading_ != pending::nothing) return;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
      asio::bind_allocator(wait_allocator<void>(reading_memory_),
          [this, owner = std::move(owner)](const std::error_code& error) {
            reading_ = pending::nothing;
            if (input_ended_) return;
            if (error) return end_input(*owner, error);
            answers_ = true;
            read(*owner);
          }));
  reading_ = pending::handler;
}

template <class Owner>
void message_transport<Owner>::send(byte_sink& message, message_output::descriptors riders)
{
  try {
    output_.push(message, std::move(riders));
    if (!std::exchange(answers_, false) || writing_ != pending::nothing) {
      schedule_flush();
      if (output_.queued_bytes() < eager_flush_ || writing_ != pending::posted || blocked_) return;
    }
    if (const owner_ptr owner = owner_.lock()) flush(*owner);
  } catch (...) {
    // The stream ends with that: the peer learns it, and who waits for what was queued.
    output_.fail();
    std::error_code ignored;
    posix::shutdown_write(descriptor_.native_handle(), ignored);
    if (const owner_ptr owner = owner_.lock()) owner->on_written();
    throw;
  }
}

template <class Owner>
void message_transport<Owner>::finish()
{
  if (!output_.accepts()) return;
  output_.finish();
  schedule_flush();
}

template <class Owner>
void message_transport<Owner>::schedule_flush()
{
  if (writing_ != pending::nothing) return;
  later([this](Owner& owner) {
    writing_ = pending::nothing;
    flush(owner);
  });
  writing_ = pending::posted;
}

template <class Owner>
void message_transport<Owner>::flush(Owner& owner)
{
  if (!is_open() || output_.failed()) return;
  const std::uint64_t before = output_.written_until();
  const auto state = output_.flush(descriptor_.native_handle());
  blocked_ = state == message_output::state::no_room || state == message_output::state::no_memory;
  switch (state) {
  case message_output::state::done:
  case message_output::state::failed: break;
  case message_output::state::others: schedule_flush(); break;
  case message_output::state::no_room: wait_writable(); break;
  case message_output::state::no_memory: wait_for_memory(writing_); break;
  }
  if (output_.written_until() != before) memory_.reset();
  owner.on_written();
}

template <class Owner>
void message_transport<Owner>::wait_writable()
{
  owner_ptr owner = owner_.lock();
  if (!owner || writing_ != pending::nothing) return;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
      asio::bind_allocator(wait_allocator<void>(writing_memory_),
          [this, owner = std::move(owner)](const std::error_code&) {
            writing_ = pending::nothing;
            flush(*owner);
          }));
  writing_ = pending::handler;
}

template <class Owner>
void message_transport<Owner>::wait_for_memory(pending& direction)
{
  owner_ptr owner = owner_.lock();
  if (!owner || direction != pending::nothing) return;
  memory_.wait([this, owner = std::move(owner)] {
    const bool write = writing_ == pending::memory;
    const bool read_again = reading_ == pending::memory;
    if (write) writing_ = pending::nothing;
    if (read_again) reading_ = pending::nothing;
    if (write) flush(*owner);
    if (read_again && !input_ended_) read(*owner);
  });
  direction = pending::memory;
}

template <class Owner>
template <class Handler>
void message_transport<Owner>::later(Handler handler)
{
  if (owner_ptr owner = owner_.lock()) {
    asio::post(descriptor_.get_executor(),
        [owner = std::move(owner), handler = std::move(handler)]() mutable { handler(*owner); });
  }
}

} // namespace cohort::detail
