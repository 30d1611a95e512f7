// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/accept_source.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/socket.hpp>

#include <asio/posix/basic_stream_descriptor.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>

namespace cohort::detail {

/// Connections that a worker accepts from a socket of its own: alone, or `exclusive`.
class bound_source final : public accept_source {
public:
  bound_source(const asio::any_io_executor& executor, std::shared_ptr<source_owner> owner,
      const posix::socket_address& address, posix::unique_fd listener)
      : accept_source(executor, std::move(owner), address),
        listener_(executor, listener.release()),
        retry_(executor)
  {
  }

  ~bound_source() { unlink_path(); }

private:
  // Long enough not to spin, short enough that nobody notices the pause.
  static constexpr std::chrono::milliseconds retry_pause_{50};

  void serve() override;
  void live_changed() override {}
  void stop() override;

  bool accept_one();
  void wait_readable();
  void wait_for_descriptors();
  void unlink_path() noexcept;

  std::shared_ptr<bound_source> self()
  {
    return std::static_pointer_cast<bound_source>(shared_from_this());
  }

  asio::posix::basic_stream_descriptor<asio::any_io_executor> listener_;
  asio::steady_timer retry_;
  bool pausing_ = false;
};

// Implementation

inline void bound_source::serve()
{
  if (pausing_) return;
  while (wanted() && room() > 0)
    if (!accept_one()) return;
}

inline bool bound_source::accept_one()
{
  std::error_code error;
  posix::unique_fd socket = posix::accept_stream(listener_.native_handle(), nullptr, error);
  if (!error) deliver(std::move(socket));
  if (!error || posix::connection_failed(error)) return true;
  pausing_ = true;
  if (posix::would_block(error)) wait_readable();
  else wait_for_descriptors();
  return false;
}

inline void bound_source::wait_readable()
{
  listener_.async_wait(listener_.wait_read, [self = self()](std::error_code error) {
    self->pausing_ = false;
    if (!error && self->is_open()) self->serve();
  });
}

inline void bound_source::wait_for_descriptors()
{
  retry_.expires_after(retry_pause_);
  retry_.async_wait([self = self()](std::error_code error) {
    self->pausing_ = false;
    if (!error && self->is_open()) self->serve();
  });
}

inline void bound_source::stop()
{
  retry_.cancel();
  unlink_path();
  std::error_code ignored;
  listener_.close(ignored);
}

inline void bound_source::unlink_path() noexcept
{
  if (listener_.is_open()) posix::unlink_path(local_address());
}

} // namespace cohort::detail
