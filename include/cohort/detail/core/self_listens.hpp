// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/bound_source.hpp>
#include <cohort/detail/core/datagram_source.hpp>
#include <cohort/detail/core/joined_listeners.hpp>
#include <cohort/detail/core/kernel_source.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/listen_request.hpp>
#include <cohort/detail/core/offered_source.hpp>
#include <cohort/detail/core/pending_listens.hpp>
#include <cohort/detail/core/source_list.hpp>
#include <cohort/detail/io/frame_input.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/error.hpp>
#include <cohort/listen_options.hpp>

#include <asio/any_io_executor.hpp>

#include <concepts>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// Where a worker listens: what it has asked its primary for, what it has joined, and sockets of
/// its own.
class self_listens {
public:
  using source_pointer = std::shared_ptr<accept_source>;
  using owner_pointer = std::shared_ptr<source_owner>;

  /// @param port the owner's way to the primary.
  self_listens(const asio::any_io_executor& executor, control_port& port)
      : executor_(executor),
        port_(port)
  {
  }

  // Each takes a completion handler with signature `void(std::error_code, shared_ptr<Source>)`. A
  // `Source` is an `accept_source`, or a `datagram_source` when the key is one of datagrams.

  /// Asks the primary.
  template <class Source = accept_source, class Handler>
  void ask(Handler&& handler, listen_key key, const listen_options& options);

  /// Binds in this process, or takes a socket of this process; null with an error.
  template <class Source>
  std::shared_ptr<Source> open(const owner_pointer& owner, const listen_key& key,
      const listen_options& options, std::error_code& error);

  /// The same, for who waits.
  template <class Source = accept_source, class Handler>
  void bind(Handler&& handler, const owner_pointer& owner, const listen_key& key,
      const listen_options& options);

  /// A source for a socket of this process, which keeps its own descriptor: a bound one begins to
  /// listen. Null with an error.
  source_pointer adopt(const owner_pointer& owner, int socket, bool is_unix,
      const listen_options& options, std::error_code& error);

  template <class Source = accept_source, class Handler>
  void fail(Handler&& handler, std::error_code error);

  // What the primary says.

  void received(const wire::listen_reply& reply, io::received_descriptors& descriptors,
      const owner_pointer& owner);
  void received(const wire::offer& offer, io::received_descriptors& descriptors);
  void received(const wire::turn& turn)
  {
    // It may have crossed our `close` on the way.
    if (const auto source = joined_.find(turn.listener)) source->set_turn(turn.go != 0);
  }

  /// The channel has room again.
  void writable()
  {
    joined_.for_each([](offered_source& source) { source.writable(); });
  }

  /// The listener's source has closed.
  void left(std::uint32_t listener) { joined_.remove(listener); }

  /// Whether a connection of any of them lives.
  bool any_live() const noexcept { return sources_.any_live(); }

  /// Ends all of them; later answers are for nobody.
  void close(std::error_code reason)
  {
    pending_.fail_all(reason);
    sources_.close(reason);
  }

  /// The same, and leaves each listener: nobody waits for this worker there, not even for its last
  /// call.
  void leave_all(std::error_code reason);

private:
  // Each gives who waits a source for what the primary has answered, or an error. False: nobody has
  // got one.
  bool accept_from(pending_listen& asked, const wire::listen_reply& reply,
      io::received_descriptors& descriptors, const owner_pointer& owner,
      const posix::socket_address& bound);
  bool receive_from(pending_listen& asked, const wire::listen_reply& reply,
      io::received_descriptors& descriptors, const owner_pointer& owner,
      const posix::socket_address& bound);

  asio::any_io_executor executor_;
  control_port& port_;
  pending_listens pending_;
  joined_listeners joined_;
  source_list sources_;
};

// Implementation

template <class Source, class Handler>
void self_listens::ask(Handler&& handler, listen_key key, const listen_options& options)
{
  // The n-th open listen on port 0 shares its port with every other worker's n-th.
  while (key.any_port() && (pending_.uses(key) || joined_.uses(key))) ++key.index;
  auto pending = std::make_unique<pending_listen>(executor_);
  if constexpr (std::same_as<Source, datagram_source>)
    pending->binding.add(std::forward<Handler>(handler));
  else pending->waiting.add(std::forward<Handler>(handler));
  pending->asked = key;
  pending->credit = options.credit();
  wire::listen message = listen_request(key, options);
  message.request = pending_.add(std::move(pending));
  port_.send(message);
}

template <class Source>
auto self_listens::open(const owner_pointer& owner, const listen_key& key,
    const listen_options& options, std::error_code& error) -> std::shared_ptr<Source>
{
  std::shared_ptr<Source> source;
  if constexpr (std::same_as<Source, datagram_source>)
    source = datagram_source::bind(executor_, key, options, error);
  else source = bound_source::listen(executor_, owner, key, options, error);
  if (!source) return nullptr;
  source->set_shared_data(options.shared_data());
  sources_.add(source);
  return source;
}

inline auto self_listens::adopt(const owner_pointer& owner, int socket, bool is_unix,
    const listen_options& options, std::error_code& error) -> source_pointer
{
  posix::listen_if_bound(socket, is_unix, options.backlog(), error);
  if (error) return nullptr;
  const auto key =
      listen_key::of(inherited_fd(socket), wire::listen_kind::inherited_stream, is_unix);
  return open<accept_source>(owner, key, options, error);
}

template <class Source, class Handler>
void self_listens::bind(Handler&& handler, const owner_pointer& owner, const listen_key& key,
    const listen_options& options)
{
  wait_queue<std::shared_ptr<Source>> waiting(executor_);
  waiting.add(std::forward<Handler>(handler));
  std::error_code error;
  const auto source = open<Source>(owner, key, options, error);
  waiting.complete_one(error, source);
}

template <class Source, class Handler>
void self_listens::fail(Handler&& handler, std::error_code error)
{
  wait_queue<std::shared_ptr<Source>> waiting(executor_);
  waiting.add(std::forward<Handler>(handler));
  waiting.complete_one(error, nullptr);
}

inline void self_listens::leave_all(std::error_code reason)
{
  close(reason);
  joined_.for_each([this](const offered_source& source) {
    wire::close message;
    message.listener = source.listener();
    port_.send(message);
  });
}

inline void self_listens::received(const wire::listen_reply& reply,
    io::received_descriptors& descriptors, const owner_pointer& owner)
{
  const auto found = pending_.take(reply.request);
  std::error_code error;
  if (reply.category == wire::error_kind::system) error.assign(reply.value, std::system_category());
  else if (reply.category == wire::error_kind::cohort)
    error = static_cast<cohort::error>(reply.value);
  if (error) {
    if (found) found->fail(error);
    return;
  }
  wire::close unwanted;
  unwanted.listener = reply.listener;
  const auto address = posix::socket_address::from_bytes(reply.address.bytes(), error);
  if (!found || error) return port_.send(unwanted);
  const bool made = wire::is_datagram(found->asked.kind)
                        ? receive_from(*found, reply, descriptors, owner, address)
                        : accept_from(*found, reply, descriptors, owner, address);
  if (!made) return port_.send(unwanted);
  wire::listening listening;
  listening.listener = reply.listener;
  port_.send(listening);
}

inline bool self_listens::accept_from(pending_listen& asked, const wire::listen_reply& reply,
    io::received_descriptors& descriptors, const owner_pointer& owner,
    const posix::socket_address& bound)
{
  std::error_code error;
  if (!asked.asked.fits(bound)) {
    asked.fail(error::wrong_handle);
    return false;
  }
  const auto source =
      make_source(reply, descriptors, executor_, owner, port_, bound, asked.credit, error);
  if (error) {
    asked.fail(error);
    return false;
  }
  source->set_path(reply.path.text());
  source->set_shared_data(reply.data.text());
  // Whoever asked may have been cancelled meanwhile.
  if (!asked.waiting.complete_one(std::error_code(), source)) return false;
  sources_.add(source);
  joined_.add(reply.listener, asked.asked, source);
  return true;
}

inline bool self_listens::receive_from(pending_listen& asked, const wire::listen_reply& reply,
    io::received_descriptors& descriptors, const owner_pointer& owner,
    const posix::socket_address& bound)
{
  std::error_code error;
  if (descriptors.truncated || descriptors.fds.empty())
    error = std::make_error_code(std::errc::too_many_files_open);
  std::shared_ptr<datagram_source> source;
  if (!error)
    source = std::make_shared<datagram_source>(
        executor_, std::move(descriptors.fds.front()), bound, error);
  if (error) {
    asked.fail(error);
    return false;
  }
  source->set_shared_data(reply.data.text());
  if (!asked.binding.complete_one(std::error_code(), source)) return false;
  source->join(owner, port_, reply.listener);
  sources_.add(source);
  joined_.add(reply.listener, asked.asked, nullptr);
  return true;
}

inline void self_listens::received(const wire::offer& offer, io::received_descriptors& descriptors)
{
  if (const auto source = joined_.find(offer.listener))
    return source->offered(offer.first, offer.count, descriptors.fds, descriptors.truncated);
  // It crossed our `close` on the way: what the primary sent goes back to it.
  wire::refused refused;
  refused.listener = offer.listener;
  refused.first = offer.first;
  refused.count = offer.count;
  refused.reason = wire::refuse_reason::draining;
  port_.send(refused);
}

} // namespace cohort::detail
