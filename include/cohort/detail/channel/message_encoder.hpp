// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/detail/channel/message_output.hpp>
#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/handle.hpp>
#include <cohort/message/byte_sink.hpp>
#include <cohort/message/message_name.hpp>
#include <cohort/send_status.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace cohort::detail {

/// Turns messages into frames, one at a time, and holds them to the bounds of their channel.
template <class Codec>
class message_encoder {
public:
  using handles = std::vector<handle>;

  explicit message_encoder(const channel_options& options) : options_(options) {}

  /// Encodes a message into `frame()`. `queued` is how many bytes wait already, handles with their
  /// weight. What the codec throws comes out of here.
  template <class Message>
  send_status encode(Message&& message, wire::message_kind kind, std::uint64_t number,
      const handles& attached, std::size_t queued);

  /// The same for a message to other workers, see `wire::message_kind::relay`: to this one, or to
  /// those of a group.
  template <class Message>
  send_status encode_relay(
      Message&& message, std::uint64_t worker, std::string_view group, std::size_t queued);

  /// Makes the frame by which a worker gets what `sender` has said. Where the high-water mark is
  /// passed already that is refused: neither end is this process, and it keeps no more of it.
  send_status encode_relayed(
      const wire::message_view& relay, std::uint64_t sender, std::size_t queued);

  /// Makes a frame that says that a request is not answered. False: the peer that causes them has
  /// stopped reading, and enough of them wait beyond the queue's limit.
  bool encode_failure(std::uint64_t number, std::size_t queued);

  /// What was encoded last; taking it out makes it empty.
  byte_sink& frame() noexcept { return frame_; }

  /// The descriptors of `attached`, which is empty then.
  static message_output::descriptors take_descriptors(handles& attached);

private:
  // The message behind `head` bytes that are for the caller to fill. @param weight what it counts
  // beside its bytes.
  template <class Message>
  send_status encode_behind(
      std::size_t head, Message&& message, std::size_t weight, std::size_t queued);

  auto head() noexcept
  {
    return std::span(frame_.copied()).template first<wire::message_head_size>();
  }

  channel_options options_;
  byte_sink frame_;
};

// Implementation

template <class Codec>
template <class Message>
send_status message_encoder<Codec>::encode(Message&& message, wire::message_kind kind,
    std::uint64_t number, const handles& attached, std::size_t queued)
{
  using type = std::remove_cvref_t<Message>;
  if (attached.size() > wire::max_descriptors) return send_status::handle_refused;
  for (const handle& each : attached)
    if (each.sendable()) return send_status::handle_refused;
  const std::size_t weight = attached.size() * channel_options::handle_weight;
  const send_status status =
      encode_behind(wire::message_head_size, std::forward<Message>(message), weight, queued);
  if (!is_sent(status)) return status;
  constexpr wire::message_type_id id{message_id<type>(), Codec::template schema<type>()};
  const std::size_t body = frame_.size() - wire::message_head_size;
  wire::encode_message_head(kind, number, id, body, attached.size(), head());
  return status;
}

template <class Codec>
template <class Message>
send_status message_encoder<Codec>::encode_relay(
    Message&& message, std::uint64_t worker, std::string_view group, std::size_t queued)
{
  using type = std::remove_cvref_t<Message>;
  const std::size_t size = wire::relay_head_size(group.size());
  const send_status status = encode_behind(size, std::forward<Message>(message), 0, queued);
  if (!is_sent(status)) return status;
  constexpr wire::message_type_id id{message_id<type>(), Codec::template schema<type>()};
  wire::encode_relay_head(worker, group, id, frame_.size() - size, frame_.copied());
  return status;
}

template <class Codec>
send_status message_encoder<Codec>::encode_relayed(
    const wire::message_view& relay, std::uint64_t sender, std::size_t queued)
{
  const std::size_t body = relay.body.size();
  const std::size_t size = wire::message_head_size + body;
  if (body > options_.max_message_size() || size > options_.queue_limit())
    return send_status::message_too_large;
  if (queued > options_.high_water() || queued > options_.queue_limit() - size)
    return send_status::queue_full;
  frame_.clear();
  frame_.extend(wire::message_head_size);
  frame_.append(relay.body);
  wire::encode_message_head(wire::message_kind::relayed, sender, relay.type, body, 0, head());
  return send_status::accepted;
}

template <class Codec>
template <class Message>
send_status message_encoder<Codec>::encode_behind(
    std::size_t head, Message&& message, std::size_t weight, std::size_t queued)
{
  if (queued >= options_.queue_limit()) return send_status::queue_full;
  frame_.clear();
  frame_.extend(head);
  Codec::encode(std::forward<Message>(message), frame_);
  // What stands before the type and the layout counts as well: the receiver's limit is that.
  const std::size_t body = frame_.size() - wire::message_head_size;
  const std::size_t size = frame_.size() + weight;
  const std::size_t waiting = queued + size;
  if (body > options_.max_message_size() || waiting > options_.queue_limit()) {
    const bool never = body > options_.max_message_size() || size > options_.queue_limit();
    frame_ = byte_sink(); // what it holds may be large
    return never ? send_status::message_too_large : send_status::queue_full;
  }
  return waiting > options_.high_water() ? send_status::congested : send_status::accepted;
}

template <class Codec>
bool message_encoder<Codec>::encode_failure(std::uint64_t number, std::size_t queued)
{
  if (queued > options_.queue_limit() && queued - options_.queue_limit() > options_.high_water())
    return false;
  frame_.clear();
  frame_.extend(wire::message_head_size);
  wire::encode_message_head(wire::message_kind::failure, number, {}, 0, 0, head());
  return true;
}

template <class Codec>
message_output::descriptors message_encoder<Codec>::take_descriptors(handles& attached)
{
  message_output::descriptors taken;
  taken.reserve(attached.size());
  for (handle& each : attached) taken.emplace_back(each.release());
  attached.clear();
  return taken;
}

} // namespace cohort::detail
