// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/accept_source.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/io/listener.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/inherited.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/listen_options.hpp>

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
      const posix::socket_address& address, posix::unique_fd listener, std::error_code& error,
      io::listener::owner whose = io::listener::owner::self)
      : accept_source(executor, std::move(owner), address),
        listener_(executor, std::move(listener), address, error, whose)
  {
  }

  /// Binds and listens, or accepts from an inherited socket that listens; null with an error.
  static std::shared_ptr<bound_source> listen(const asio::any_io_executor& executor,
      std::shared_ptr<source_owner> owner, const listen_key& key, const listen_options& options,
      std::error_code& error);

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

inline std::shared_ptr<bound_source> bound_source::listen(const asio::any_io_executor& executor,
    std::shared_ptr<source_owner> owner, const listen_key& key, const listen_options& options,
    std::error_code& error)
{
  posix::listen_settings how;
  how.backlog = options.backlog();
  how.ipv6_only = options.ipv6_only();
  how.any_host = key.any_host;
  how.reuse_port = options.reuse_port();
  how.mode = static_cast<mode_t>(options.mode());
  const bool inherits = wire::is_inherited(key.kind);
  posix::unique_fd socket = inherits ? posix::share_inherited(static_cast<int>(key.descriptor),
                                           posix::inherited_kind::listener, error)
                                     : posix::listen_stream(key.address, how, error);
  if (error) return nullptr;
  const posix::socket_address bound = posix::local_address(socket.get(), error);
  if (!error && !key.fits(bound)) error = error::wrong_handle;
  if (error) return nullptr;
  auto source = std::make_shared<bound_source>(executor, std::move(owner), bound, std::move(socket),
      error, inherits ? io::listener::owner::elsewhere : io::listener::owner::self);
  return error ? nullptr : source;
}

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
