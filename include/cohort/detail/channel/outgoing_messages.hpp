// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/channel/flush_points.hpp>
#include <cohort/detail/channel/message_encoder.hpp>
#include <cohort/detail/channel/message_output.hpp>
#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/error.hpp>
#include <cohort/handle.hpp>
#include <cohort/send_status.hpp>

#include <asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// What one end of a message channel sends, and who waits until it has reached the kernel.
///
/// `Transport` is a `message_transport`, and outlives this.
template <class Transport, class Codec>
class outgoing_messages {
public:
  using handles = std::vector<handle>;

  outgoing_messages(
      const asio::any_io_executor& executor, const channel_options& options, Transport& transport)
      : executor_(executor),
        transport_(transport),
        encoder_(options),
        flush_points_(executor)
  {
  }

  bool can_send() const noexcept { return transport_.is_open() && output().accepts(); }

  /// What waits to be written, handles with their weight.
  std::size_t queued_bytes() const noexcept
  {
    return output().queued_bytes() + output().queued_descriptors() * channel_options::handle_weight;
  }

  /// Queues a message. `attached` is empty afterwards when it was queued, else as it was.
  template <class Message>
  send_status send(
      Message&& message, wire::message_kind kind, std::uint64_t number, handles& attached);

  /// The same for initiating functions: there nobody catches what is thrown.
  template <class Message>
  std::error_code try_to_send(
      Message&& message, wire::message_kind kind, std::uint64_t number, handles& attached);

  /// Queues a message to other workers, as `message_encoder::encode_relay` makes it.
  template <class Message>
  send_status send_relay(Message&& message, std::uint64_t worker, std::string_view group);

  /// Queues what a worker has said to this one.
  send_status pass_on(const wire::message_view& relay, std::uint64_t sender);

  /// Says that a request is not answered. False: too much waits, see `message_encoder`.
  bool send_failure(std::uint64_t number);

  /// `void(std::error_code)`: all that is queued now has reached the kernel.
  template <class Handler>
  void flushed(Handler&& handler);

  /// The transport has made progress, or has failed.
  void written();

  /// Nothing more is written.
  void fail() { flush_points_.fail(error::disconnected); }

private:
  const message_output& output() const noexcept { return transport_.output(); }

  asio::any_io_executor executor_;
  Transport& transport_;
  message_encoder<Codec> encoder_;
  flush_points flush_points_;
};

// Implementation

template <class Transport, class Codec>
template <class Message>
send_status outgoing_messages<Transport, Codec>::send(
    Message&& message, wire::message_kind kind, std::uint64_t number, handles& attached)
{
  if (!can_send()) return send_status::not_connected;
  const send_status status =
      encoder_.encode(std::forward<Message>(message), kind, number, attached, queued_bytes());
  if (is_sent(status))
    transport_.send(encoder_.frame(), message_encoder<Codec>::take_descriptors(attached));
  return status;
}

template <class Transport, class Codec>
template <class Message>
send_status outgoing_messages<Transport, Codec>::send_relay(
    Message&& message, std::uint64_t worker, std::string_view group)
{
  if (!can_send()) return send_status::not_connected;
  const send_status status =
      encoder_.encode_relay(std::forward<Message>(message), worker, group, queued_bytes());
  if (is_sent(status)) transport_.send(encoder_.frame(), {});
  return status;
}

template <class Transport, class Codec>
send_status outgoing_messages<Transport, Codec>::pass_on(
    const wire::message_view& relay, std::uint64_t sender)
{
  if (!can_send()) return send_status::not_connected;
  try {
    const send_status status = encoder_.encode_relayed(relay, sender, queued_bytes());
    if (is_sent(status)) transport_.send(encoder_.frame(), {});
    return status;
  } catch (const std::bad_alloc&) {
    // Nobody here has sent it, and nobody would catch that.
    return send_status::queue_full;
  }
}

template <class Transport, class Codec>
template <class Message>
std::error_code outgoing_messages<Transport, Codec>::try_to_send(
    Message&& message, wire::message_kind kind, std::uint64_t number, handles& attached)
{
  try {
    return to_error(send(std::forward<Message>(message), kind, number, attached));
  } catch (const std::system_error& thrown) {
    return thrown.code();
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  } catch (...) {
    return error::invalid_message;
  }
}

template <class Transport, class Codec>
bool outgoing_messages<Transport, Codec>::send_failure(std::uint64_t number)
{
  if (!encoder_.encode_failure(number, queued_bytes())) return false;
  transport_.send(encoder_.frame(), {});
  return true;
}

template <class Transport, class Codec>
template <class Handler>
void outgoing_messages<Transport, Codec>::flushed(Handler&& handler)
{
  if (output().failed())
    return complete_later(
        executor_, std::forward<Handler>(handler), make_error_code(error::disconnected));
  flush_points_.add(output().queued_until(), std::forward<Handler>(handler));
  flush_points_.reached(output().written_until());
}

template <class Transport, class Codec>
void outgoing_messages<Transport, Codec>::written()
{
  if (output().failed()) fail();
  else flush_points_.reached(output().written_until());
}

} // namespace cohort::detail
