// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/accept_source.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/open_listener.hpp>
#include <cohort/detail/handle/service_sockets.hpp>
#include <cohort/detail/io/listener.hpp>
#include <cohort/detail/posix/bound_place.hpp>
#include <cohort/detail/posix/inherited.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/error.hpp>
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
      posix::bound_place bound, posix::unique_fd listener, std::error_code& error,
      io::listener::owner whose = io::listener::owner::self)
      : accept_source(executor, std::move(owner), bound.shown()),
        listener_(executor, std::move(listener), std::move(bound), error, whose)
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
  posix::unique_fd inherited;
  if (!key.name.empty())
    inherited = service_sockets::of_this_process().share(key.name, key.index, error);
  else if (wire::is_inherited(key.kind))
    inherited = posix::share_inherited(
        static_cast<int>(key.descriptor), posix::inherited_kind::listener, error);
  if (error) return nullptr;
  opened_listener opened = open_listener(key, std::move(inherited), how, error);
  if (!error && !key.fits(opened.place.address)) error = error::wrong_handle;
  if (error) return nullptr;
  auto source = std::make_shared<bound_source>(executor, std::move(owner), std::move(opened.place),
      std::move(opened.socket), error, opened.whose);
  source->set_path(key.path);
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
