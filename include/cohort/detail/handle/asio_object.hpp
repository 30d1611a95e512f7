// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/detail/posix/descriptor_kind.hpp>

#include <asio/execution_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/local/datagram_protocol.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/posix/stream_descriptor.hpp>
#if defined(ASIO_HAS_PIPE)
#include <asio/readable_pipe.hpp>
#include <asio/writable_pipe.hpp>
#endif
#if ASIO_VERSION >= 102700
#include <asio/local/seq_packet_protocol.hpp>
#endif

#include <concepts>
#include <type_traits>

namespace cohort::detail {

/// Which descriptors `handle::to` makes an `Object` of: one function `fits`.
template <class Object>
struct handle_target;

template <class Object>
concept is_handle_target = requires
{
  handle_target<Object>::fits(posix::descriptor_facts());
};

/// An object of Asio with a descriptor.
template <class Object>
concept descriptor_object = requires(Object& object)
{
  static_cast<bool>(object.is_open());
  requires std::same_as<decltype(object.native_handle()), int>;
};

/// And which gives it away.
template <class Object>
concept descriptor_owner = descriptor_object<Object> && requires(Object& object)
{
  requires std::same_as<decltype(object.release()), int>;
};

/// A connection of this library: it has such an object inside, and gives it away.
template <class Object>
concept connection_owner = requires(Object& object)
{
  requires descriptor_owner<decltype(object.release())>;
  requires std::same_as<decltype(object.socket()), decltype(object.release())&>;
};

/// What `handle::duplicate_of` takes.
template <class Object>
concept duplicable = descriptor_object<Object> || connection_owner<Object>;

/// What the constructor of `handle` takes: as an rvalue only.
template <class Object>
concept handle_source =
    !std::is_reference_v<Object> && (descriptor_owner<Object> || connection_owner<Object>);

/// An executor for `Object`, or an execution context that has one.
template <class Source, class Object>
concept executor_source = std::convertible_to<Source&, asio::execution_context&> ||
    std::constructible_from<typename Object::executor_type, const Source&>;

// Implementation

template <handle_kind Kind>
struct made_of {
  static bool fits(const posix::descriptor_facts& facts) noexcept { return facts.kind == Kind; }
};

template <class Executor>
struct handle_target<asio::basic_stream_socket<asio::ip::tcp, Executor>>
    : made_of<handle_kind::tcp_socket> {
};
template <class Executor>
struct handle_target<asio::basic_socket_acceptor<asio::ip::tcp, Executor>>
    : made_of<handle_kind::tcp_listener> {
};
template <class Executor>
struct handle_target<asio::basic_datagram_socket<asio::ip::udp, Executor>>
    : made_of<handle_kind::udp_socket> {
};
template <class Executor>
struct handle_target<asio::basic_stream_socket<asio::local::stream_protocol, Executor>>
    : made_of<handle_kind::unix_stream> {
};
template <class Executor>
struct handle_target<asio::basic_socket_acceptor<asio::local::stream_protocol, Executor>>
    : made_of<handle_kind::unix_listener> {
};
template <class Executor>
struct handle_target<asio::basic_datagram_socket<asio::local::datagram_protocol, Executor>>
    : made_of<handle_kind::unix_datagram> {
};
#if ASIO_VERSION >= 102700
template <class Executor>
struct handle_target<asio::basic_seq_packet_socket<asio::local::seq_packet_protocol, Executor>>
    : made_of<handle_kind::unix_seqpacket> {
};
#endif

template <class Executor>
struct handle_target<asio::posix::basic_stream_descriptor<Executor>> {
  static bool fits(const posix::descriptor_facts& facts) noexcept
  {
    return facts.kind == handle_kind::pipe || facts.kind == handle_kind::device;
  }
};
#if defined(ASIO_HAS_PIPE)
template <class Executor>
struct handle_target<asio::basic_readable_pipe<Executor>> {
  static bool fits(const posix::descriptor_facts& facts) noexcept
  {
    return facts.kind == handle_kind::pipe && facts.readable;
  }
};
template <class Executor>
struct handle_target<asio::basic_writable_pipe<Executor>> {
  static bool fits(const posix::descriptor_facts& facts) noexcept
  {
    return facts.kind == handle_kind::pipe && facts.writable;
  }
};
#endif

// The object itself, or the socket of a connection.
template <class Object>
auto& owner_of(Object& object) noexcept
{
  if constexpr (descriptor_object<Object>) return object;
  else return object.socket();
}

template <class Object>
int release_descriptor(Object& object)
{
  if constexpr (descriptor_owner<Object>) {
    return object.release();
  } else {
    auto socket = object.release();
    return socket.release();
  }
}

// The descriptor, -1 when there is none.
template <class Object>
int descriptor_of(Object& object)
{
  auto& owner = owner_of(object);
  return owner.is_open() ? owner.native_handle() : -1;
}

template <class Object, class Source>
typename Object::executor_type executor_of(Source& source)
{
  if constexpr (std::convertible_to<Source&, asio::execution_context&>)
    return typename Object::executor_type(source.get_executor());
  else return typename Object::executor_type(source);
}

// Only protocols of the Internet have versions.
template <class Protocol>
Protocol protocol_of(const posix::descriptor_facts& facts) noexcept
{
  if constexpr (requires { Protocol::v6(); }) return facts.ipv6 ? Protocol::v6() : Protocol::v4();
  else return Protocol();
}

} // namespace cohort::detail
