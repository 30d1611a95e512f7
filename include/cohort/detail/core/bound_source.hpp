// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/accept_source.hpp>
#include <cohort/detail/io/listener.hpp>
#include <cohort/detail/posix/fd_passing.hpp>

#include <asio/any_io_executor.hpp>

#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// Connections that a worker accepts from a socket of its own: alone, or `exclusive`.
class bound_source final : public accept_source {
public:
  /// With an error, because Asio cannot watch the socket, it gives no connection.
  bound_source(const asio::any_io_executor& executor, std::shared_ptr<source_owner> owner,
      const posix::socket_address& address, posix::unique_fd listener, std::error_code& error)
      : accept_source(executor, std::move(owner), address),
        listener_(executor, std::move(listener), address, error)
  {
  }

private:
  auto serve_again();
  void serve() override;
  void live_changed() override {}
  void unwanted() override { listener_.interrupt(); }
  void unusable() override;
  void stop() override { listener_.close(); }

  io::listener listener_;
};

// Implementation

inline auto bound_source::serve_again()
{
  return [self = std::static_pointer_cast<bound_source>(shared_from_this())] {
    if (self->is_open()) self->serve();
  };
}

inline void bound_source::unusable()
{
  listener_.interrupt();
  listener_.back_off(serve_again());
}

inline void bound_source::serve()
{
  if (listener_.is_waiting()) return;
  while (wanted() && room() > 0) {
    const std::error_code error =
        listener_.accept(1, true, [this](posix::unique_fd socket, const posix::socket_address&) {
          deliver(std::move(socket));
        });
    if (!error) continue;
    return posix::would_block(error) ? listener_.wait(serve_again())
                                     : listener_.back_off(serve_again());
  }
}

} // namespace cohort::detail
