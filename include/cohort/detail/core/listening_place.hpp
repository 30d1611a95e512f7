// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/event.hpp>

#include <asio/ip/tcp.hpp>

#include <string>

namespace cohort::detail {

/// Where a worker listens through the cluster, for all who want to know.
struct listening_place {
  posix::socket_address bound;
  /// That of a Unix socket, when it is too long for an address; else empty.
  std::string path;
  bool datagram = false;
  /// The primary's descriptor that was asked for, -1 when it was no such one.
  int inherited_fd = -1;
};

/// The event about it, as far as it is not about the worker.
listening_event describe_listening(const listening_place& place);

// Implementation

inline listening_event describe_listening(const listening_place& place)
{
  listening_event event;
  event.inherited_fd = place.inherited_fd;
  if (!place.path.empty() || !place.bound.path().empty()) {
    event.type = address_type::unix_path;
    event.address = place.path.empty() ? place.bound.path() : place.path;
    if (place.bound.is_abstract()) event.address.front() = '@';
    return event;
  }
  const auto endpoint = place.bound.to_endpoint<asio::ip::tcp::endpoint>();
  const bool is_v4 = endpoint.address().is_v4();
  event.type = is_v4 ? address_type::tcp4 : address_type::tcp6;
  if (place.datagram) event.type = is_v4 ? address_type::udp4 : address_type::udp6;
  event.address = endpoint.address().to_string();
  event.port = endpoint.port();
  return event;
}

} // namespace cohort::detail
