// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/accept_source.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/offered_source.hpp>
#include <cohort/detail/core/source_list.hpp>
#include <cohort/detail/posix/inherited.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/error.hpp>
#include <cohort/listen_options.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/ip/udp.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// A datagram socket of a worker, alone its own or shared with others by the primary.
class datagram_source final : public drainable {
public:
  using socket_type = asio::ip::udp::socket;

  /// With an error, because Asio cannot watch the socket, it is not open.
  datagram_source(const asio::any_io_executor& executor, posix::unique_fd socket,
      const posix::socket_address& bound, std::error_code& error);
  ~datagram_source() { close(asio::error::operation_aborted); }
  datagram_source(const datagram_source&) = delete;
  datagram_source& operator=(const datagram_source&) = delete;

  /// Binds in this process, or shares an inherited socket; null with an error.
  static std::shared_ptr<datagram_source> bind(const asio::any_io_executor& executor,
      const listen_key& key, const listen_options& options, std::error_code& error);

  /// One that never was open.
  static std::shared_ptr<datagram_source> make_closed(const asio::any_io_executor& executor);

  /// Its end is told to the primary, which knows it by this number.
  /// @param owner keeps `port` alive.
  void join(std::shared_ptr<source_owner> owner, control_port& port, std::uint32_t listener)
  {
    owner_ = std::move(owner);
    port_ = &port;
    listener_ = listener;
  }

  /// Operations in flight end, and later ones: `outcome` says how.
  void close(std::error_code reason) override;
  std::size_t live() const noexcept override { return 0; }
  bool is_open() const noexcept { return !closed_; }

  /// What the first worker gave to all.
  const std::string& shared_data() const noexcept { return shared_data_; }
  void set_shared_data(const std::string& bytes) { shared_data_ = bytes; }

  /// Why an operation on the socket has failed: once it is closed, that.
  std::error_code outcome(std::error_code error) const noexcept
  {
    return error && closed_ ? closed_ : error;
  }

  socket_type& socket() noexcept { return socket_; }
  const posix::socket_address& local_address() const noexcept { return bound_; }

private:
  socket_type socket_;
  posix::socket_address bound_;
  std::shared_ptr<source_owner> owner_;
  control_port* port_ = nullptr;
  std::uint32_t listener_ = 0;
  std::error_code closed_;
  std::string shared_data_;
};

// Implementation

inline datagram_source::datagram_source(const asio::any_io_executor& executor,
    posix::unique_fd socket, const posix::socket_address& bound, std::error_code& error)
    : socket_(executor),
      bound_(bound)
{
  const bool is_ipv6 = bound.family() == AF_INET6;
  socket_.assign(is_ipv6 ? asio::ip::udp::v6() : asio::ip::udp::v4(), socket.get(), error);
  if (!error) socket.release();
  else closed_ = error;
}

inline std::shared_ptr<datagram_source> datagram_source::bind(const asio::any_io_executor& executor,
    const listen_key& key, const listen_options& options, std::error_code& error)
{
  posix::listen_settings how;
  how.ipv6_only = options.ipv6_only();
  how.reuse_port = options.reuse_port();
  how.reuse_address = options.reuse_address();
  posix::unique_fd socket = wire::is_inherited(key.kind)
                                ? posix::share_inherited(static_cast<int>(key.descriptor),
                                      posix::inherited_kind::datagram, error)
                                : posix::bind_datagram(key.address, how, error);
  if (error) return nullptr;
  const posix::socket_address bound = posix::local_address(socket.get(), error);
  if (error) return nullptr;
  auto made = std::make_shared<datagram_source>(executor, std::move(socket), bound, error);
  return error ? nullptr : made;
}

inline std::shared_ptr<datagram_source> datagram_source::make_closed(
    const asio::any_io_executor& executor)
{
  // Asio refuses what is no descriptor.
  std::error_code error;
  auto made = std::make_shared<datagram_source>(
      executor, posix::unique_fd(), posix::socket_address(), error);
  made->close(asio::error::bad_descriptor);
  return made;
}

inline void datagram_source::close(std::error_code reason)
{
  if (closed_) return;
  closed_ = reason;
  std::error_code ignored;
  socket_.close(ignored);
  // A drain says so for all at once.
  if (!port_ || reason == error::draining) return;
  wire::close message;
  message.listener = listener_;
  port_->send(message);
}

} // namespace cohort::detail
