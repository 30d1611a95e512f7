// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/any_host.hpp>
#include <cohort/inherited_socket.hpp>
#include <cohort/unix_path.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <concepts>
#include <type_traits>

namespace cohort::detail {

/// The protocol of what listens at a `Place`.
template <class Place>
struct listening_protocol;

template <>
struct listening_protocol<asio::ip::tcp::endpoint> {
  using type = asio::ip::tcp;
};
template <>
struct listening_protocol<any_host> {
  using type = asio::ip::tcp;
};
template <>
struct listening_protocol<asio::local::stream_protocol::endpoint> {
  using type = asio::local::stream_protocol;
};

template <>
struct listening_protocol<unix_path> {
  using type = asio::local::stream_protocol;
};

/// Where `listen` listens: an endpoint of TCP or of Unix stream sockets, `any_host`, `unix_path`.
template <class Place>
concept listenable = requires
{
  typename listening_protocol<Place>::type;
};

/// The same, or a socket that a service manager has given: where the primary listens.
template <class Place>
concept primary_listenable = listenable<Place> || std::same_as<Place, inherited_socket>;

/// What says where a `Place` was bound: another one of its kind, with the port that came out.
template <primary_listenable Place>
using bound_at = std::conditional_t<std::same_as<Place, any_host>, asio::ip::tcp::endpoint, Place>;

} // namespace cohort::detail
