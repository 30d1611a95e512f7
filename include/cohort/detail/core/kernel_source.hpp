// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/offered_source.hpp>
#include <cohort/detail/io/frame_input.hpp>
#include <cohort/detail/io/listener.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>

#include <asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// Connections that a worker accepts itself, from a socket that the primary has given it. The
/// primary offers it those that the kernel gave to a worker that is gone.
///
/// Its credit tells the primary whether anybody accepts here. Of a socket that several workers
/// share, the primary says who is to let others go first: see `accept_turns`.
class kernel_source final : public offered_source {
public:
  /// With an error, because Asio cannot watch the socket, it is of no use.
  kernel_source(const asio::any_io_executor& executor, std::shared_ptr<source_owner> owner,
      control_port& port, const posix::socket_address& address, std::uint32_t listener,
      std::uint32_t credit, posix::unique_fd socket, std::error_code& error)
      : offered_source(executor, std::move(owner), port, address, listener, credit),
        listener_(executor, std::move(socket), address, error, io::listener::owner::others_too)
  {
  }

  void set_turn(bool go) override;

private:
  // So many are told together.
  static constexpr std::uint16_t tell_after_ = 8;

  auto serve_again();
  void wait();
  void serve() override;
  void live_changed() override;
  void unwanted() override;
  void unusable() override;
  void stop() override;
  void tell_accepted();

  io::listener listener_;
  std::uint16_t untold_ = 0;
  // Of those, accepted after others had been let go first.
  std::uint16_t left_ = 0;
  bool may_go_ = true;
  // They had their time: whom they left is accepted until nobody is there.
  bool others_went_ = false;
};

/// The source for a listener that the primary has let this worker join. With an error, because the
/// socket has not come or cannot be watched, it is null.
std::shared_ptr<offered_source> make_source(const wire::listen_reply& reply,
    io::received_descriptors& descriptors, const asio::any_io_executor& executor,
    std::shared_ptr<source_owner> owner, control_port& port, const posix::socket_address& address,
    std::uint32_t credit, std::error_code& error);

// Implementation

inline std::shared_ptr<offered_source> make_source(const wire::listen_reply& reply,
    io::received_descriptors& descriptors, const asio::any_io_executor& executor,
    std::shared_ptr<source_owner> owner, control_port& port, const posix::socket_address& address,
    std::uint32_t credit, std::error_code& error)
{
  if (reply.how == wire::sharing::offers)
    return std::make_shared<offered_source>(
        executor, std::move(owner), port, address, reply.listener, credit);
  if (descriptors.truncated || descriptors.fds.empty()) {
    error = std::make_error_code(std::errc::too_many_files_open);
    return nullptr;
  }
  auto made = std::make_shared<kernel_source>(executor, std::move(owner), port, address,
      reply.listener, credit, std::move(descriptors.fds.front()), error);
  return error ? nullptr : made;
}

inline auto kernel_source::serve_again()
{
  return [self = std::static_pointer_cast<kernel_source>(shared_from_this())] {
    if (self->is_open()) self->serve();
  };
}

inline void kernel_source::serve()
{
  // Those who were offered have waited longer.
  offered_source::serve();
  if (!listener_.is_open() || listener_.is_waiting()) return;
  while (wanted() && room() > 0) {
    if (!may_go_ && !others_went_) return wait();
    const std::error_code error =
        listener_.accept(1, false, [this](posix::unique_fd socket, const posix::socket_address&) {
          ++untold_;
          if (others_went_) ++left_;
          if (untold_ == tell_after_) tell_accepted();
          deliver(std::move(socket));
        });
    if (!error) continue;
    others_went_ = false;
    return posix::would_block(error) ? wait() : listener_.back_off(serve_again());
  }
  offered_source::serve(); // there may be no more room
}

inline void kernel_source::wait()
{
  listener_.wait([self = std::static_pointer_cast<kernel_source>(shared_from_this())] {
    if (!self->is_open()) return;
    if (self->may_go_) return self->serve();
    self->listener_.let_others_go_first([self] {
      self->others_went_ = !self->may_go_;
      if (self->is_open()) self->serve();
    });
  });
}

inline void kernel_source::set_turn(bool go)
{
  may_go_ = go;
  others_went_ = false;
}

inline void kernel_source::live_changed()
{
  tell_accepted();
  offered_source::live_changed();
}

// Before their ends are told.
inline void kernel_source::tell_accepted()
{
  if (untold_ == 0) return;
  wire::accepted message;
  message.listener = listener();
  message.count = std::exchange(untold_, std::uint16_t(0));
  message.left = std::exchange(left_, std::uint16_t(0));
  port().send(message);
}

inline void kernel_source::unwanted()
{
  listener_.interrupt();
  offered_source::unwanted();
}

inline void kernel_source::unusable()
{
  listener_.interrupt();
  listener_.back_off(serve_again());
  offered_source::unusable();
}

inline void kernel_source::stop()
{
  // Who waits on it still is the primary's, which has the socket as well.
  listener_.close();
  tell_accepted();
  offered_source::stop();
}

} // namespace cohort::detail
