// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/event_bus.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/core/predecessor.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>

#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// What a program that replaces another one does.
class succession_host {
public:
  /// Whether it serves as it is to.
  virtual bool all_ready() const = 0;
  /// The other one has given away what is of one process at a time, or is gone.
  virtual void take_over() = 0;
  /// Connections that it had accepted and could not serve.
  virtual void adopt(passed_listener connections) = 0;
  /// On this channel it leaves what it has to leave in the end; none if it has ended.
  virtual void await_end(posix::unique_fd channel) = 0;

protected:
  ~succession_host() = default;
};

/// Tells the program that this one replaces when this one is ready, and listens to it until it has
/// given way. Whatever happens in the cluster is a reason to look. The host outlives it, or calls
/// `end`.
class succession final : public subscriber, public std::enable_shared_from_this<succession> {
public:
  succession(const asio::any_io_executor& executor, succession_host& host)
      : executor_(executor),
        host_(&host),
        channel_(executor)
  {
  }

  /// Nothing happens before.
  void begin();
  void end();

  void deliver(const any_event& event) override;
  void close() override { end(); }

private:
  void update();
  void listen();
  void look();

  asio::any_io_executor executor_;
  succession_host* host_;
  asio::posix::stream_descriptor channel_;
  // Until it is said that this program is ready.
  bool waits_ = false;
  bool update_posted_ = false;
};

// Implementation

inline void succession::begin()
{
  waits_ = true;
  update();
}

inline void succession::end()
{
  host_ = nullptr;
  waits_ = false;
  std::error_code ignored;
  channel_.close(ignored);
}

inline void succession::deliver(const any_event&)
{
  if (!waits_ || std::exchange(update_posted_, true)) return;
  // The groups hear of it as soon as they are not in the middle of something.
  asio::post(executor_, [self = shared_from_this()] {
    self->update_posted_ = false;
    self->update();
  });
}

inline void succession::update()
{
  if (!waits_ || !host_->all_ready()) return;
  waits_ = false;
  std::error_code error;
  posix::unique_fd channel = predecessor::of_this_process().say_ready(error);
  if (!error) channel_.assign(channel.get(), error);
  // There is nobody any more who could object.
  if (error) {
    host_->take_over();
    if (host_) host_->await_end(posix::unique_fd());
    return end();
  }
  channel.release();
  listen();
}

inline void succession::listen()
{
  channel_.async_wait(channel_.wait_read, [self = shared_from_this()](std::error_code error) {
    if (!error && self->host_) self->look();
  });
}

inline void succession::look()
{
  std::error_code error;
  upgrade_packet packet = receive_packet(channel_.native_handle(), error);
  if (posix::would_block(error)) return listen();
  if (!error && packet.type == wire::message_type::listen) {
    passed_listener stranded = read_listener(std::move(packet), error);
    if (!error) host_->adopt(std::move(stranded));
    return listen();
  }
  // Whatever it has said, or its end: it objects no more.
  const auto alive = shared_from_this();
  posix::unique_fd channel(channel_.release());
  host_->take_over();
  if (host_) host_->await_end(std::move(channel));
}

} // namespace cohort::detail
