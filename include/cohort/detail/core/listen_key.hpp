// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/any_host.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/inherited_fd.hpp>
#include <cohort/inherited_socket.hpp>
#include <cohort/unix_path.hpp>

#include <asio/ip/address_v6.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>

namespace cohort::detail {

/// What a worker asks for when it listens: workers with equal keys share one listener.
struct listen_key {
  wire::listen_kind kind = wire::listen_kind::tcp;
  posix::socket_address address;
  /// That of a Unix socket, absolute, when it is too long for an address; else empty.
  std::string path;
  /// Every address of the machine, with the port of `address`.
  bool any_host = false;
  /// The number of an inherited one.
  std::uint32_t descriptor = 0;
  /// Whether that has to be a Unix socket; only who asks knows.
  bool wants_unix = false;
  /// That of an inherited one, if it is asked for so; else empty.
  std::string name;
  /// The how many-th of this worker on any port, or of those with `name`; else 0.
  std::uint16_t index = 0;

  listen_key() = default;
  listen_key(wire::listen_kind what, const posix::socket_address& where)
      : kind(what),
        address(where)
  {
  }

  // What the program says.

  static listen_key of(const asio::ip::tcp::endpoint& endpoint, std::error_code& error);
  static listen_key of(const asio::ip::udp::endpoint& endpoint, std::error_code& error);
  static listen_key of(const cohort::any_host& where, std::error_code& error);
  /// A relative path is made absolute.
  static listen_key of(
      const asio::local::stream_protocol::endpoint& endpoint, std::error_code& error);
  static listen_key of(const cohort::unix_path& where, std::error_code& error);

  /// @param wants_unix whether what connects there has to be a Unix socket, and not TCP.
  static listen_key of(
      const cohort::inherited_fd& from, wire::listen_kind kind, bool wants_unix = false);

  static listen_key of(const cohort::inherited_socket& from, bool wants_unix = false);

  /// What a worker says; `invalid_argument` when that makes no sense.
  static listen_key of(const wire::listen& message, std::error_code& error);
  void describe_to(wire::listen& message) const;

  /// Whether it leaves the port to the kernel.
  bool any_port() const noexcept
  {
    return (kind == wire::listen_kind::tcp || kind == wire::listen_kind::udp) &&
           address.port() == 0;
  }

  /// Whether connections of what is bound there are of the kind that is asked for.
  bool fits(const posix::socket_address& bound) const noexcept
  {
    const bool is_any =
        kind == wire::listen_kind::inherited_stream || kind == wire::listen_kind::named_stream;
    return !is_any || wants_unix == (bound.family() == AF_UNIX);
  }

  /// Whether it is another name of what is bound there, if that is of the same kind: of what "any
  /// port" has become.
  bool names(const posix::socket_address& bound) const noexcept;

  friend bool operator==(const listen_key&, const listen_key&) = default;

private:
  // One form for each absolute path, whoever says it and how.
  static listen_key at_path(const std::string& path, std::error_code& error);
};

// Implementation

inline listen_key listen_key::of(const asio::ip::tcp::endpoint& endpoint, std::error_code& error)
{
  return {wire::listen_kind::tcp, posix::socket_address::from_endpoint(endpoint, error)};
}

inline listen_key listen_key::of(const asio::ip::udp::endpoint& endpoint, std::error_code& error)
{
  return {wire::listen_kind::udp, posix::socket_address::from_endpoint(endpoint, error)};
}

inline listen_key listen_key::of(const cohort::any_host& where, std::error_code& error)
{
  listen_key key = of(asio::ip::tcp::endpoint(asio::ip::address_v6::any(), where.port()), error);
  key.any_host = true;
  return key;
}

inline listen_key listen_key::of(
    const asio::local::stream_protocol::endpoint& endpoint, std::error_code& error)
{
  const std::string path = endpoint.path();
  // Abstract names begin with a NUL byte and belong to no directory.
  if (!path.empty() && path.front() == '\0')
    return {wire::listen_kind::unix_stream, posix::socket_address::from_path(path, error)};
  return of(cohort::unix_path(path), error);
}

inline listen_key listen_key::of(const cohort::unix_path& where, std::error_code& error)
{
  std::string path = where.value();
  if (!path.empty() && path.front() != '/') path = std::filesystem::absolute(path, error).native();
  return error ? listen_key() : at_path(path, error);
}

inline listen_key listen_key::at_path(const std::string& path, std::error_code& error)
{
  listen_key key(wire::listen_kind::unix_stream, posix::socket_address());
  if (!path.starts_with('/') || path.find('\0') != path.npos)
    error = std::make_error_code(std::errc::invalid_argument);
  else if (path.size() > wire::path_text::capacity)
    error = std::make_error_code(std::errc::filename_too_long);
  else if (path.size() > posix::socket_address::longest_path) key.path = path;
  else key.address = posix::socket_address::from_path(path, error);
  return key;
}

inline listen_key listen_key::of(
    const cohort::inherited_fd& from, wire::listen_kind kind, bool wants_unix)
{
  listen_key key(kind, posix::socket_address());
  key.descriptor = static_cast<std::uint32_t>(from.number());
  key.wants_unix = wants_unix;
  return key;
}

inline listen_key listen_key::of(const cohort::inherited_socket& from, bool wants_unix)
{
  listen_key key(wire::listen_kind::named_stream, posix::socket_address());
  key.name = from.name();
  key.index = from.index();
  key.wants_unix = wants_unix;
  return key;
}

inline listen_key listen_key::of(const wire::listen& message, std::error_code& error)
{
  if (message.kind == wire::listen_kind::named_stream) {
    listen_key key(message.kind, posix::socket_address());
    key.name = message.path.text();
    key.index = message.index;
    return key;
  }
  if (wire::is_inherited(message.kind)) {
    listen_key key(message.kind, posix::socket_address());
    key.descriptor = message.descriptor;
    if (key.descriptor > std::numeric_limits<int>::max())
      error = std::make_error_code(std::errc::bad_file_descriptor);
    return key;
  }
  if (!message.path.text().empty()) return at_path(message.path.text(), error);
  listen_key key(message.kind, posix::socket_address::from_bytes(message.address.bytes(), error));
  key.any_host = (message.flags & wire::listen_any_host) != 0;
  const bool is_unix = key.address.family() == AF_UNIX;
  if (!error && is_unix != (key.kind == wire::listen_kind::unix_stream))
    error = std::make_error_code(std::errc::invalid_argument);
  if (!error && is_unix && !key.address.is_abstract())
    return at_path(std::string(key.address.path()), error);
  if (key.any_port()) key.index = message.index;
  return key;
}

inline void listen_key::describe_to(wire::listen& message) const
{
  message.kind = kind;
  message.address = wire::address_bytes(address.bytes());
  message.path = wire::path_text(name.empty() ? path : name);
  if (any_host) message.flags |= wire::listen_any_host;
  message.index = index;
  message.descriptor = descriptor;
}

inline bool listen_key::names(const posix::socket_address& bound) const noexcept
{
  if (any_port() || wire::is_inherited(kind) || !name.empty()) return false;
  if (!any_host) return address == bound;
  // It may have become one of IPv4 alone.
  const auto is_zero = [](std::byte each) { return each == std::byte(); };
  return address.port() == bound.port() && std::ranges::all_of(bound.host(), is_zero);
}

} // namespace cohort::detail
