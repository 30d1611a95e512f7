// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/self_core.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/handle.hpp>
#include <cohort/message/protocol.hpp>
#include <cohort/message_endpoint.hpp>
#include <cohort/send_status.hpp>
#include <cohort/worker_id.hpp>

#include <memory>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

namespace cohort {

/// The part of `this_worker` that exchanges messages: with the primary, and with other workers.
///
/// To other workers a worker sends what the primary sends them, which is in `Protocol::to_worker`;
/// they `receive` it like that, and find in `envelope::worker` whom it is from (0: the primary).
/// What one sends to another arrives once and in order, as long as both live and have room.
///
/// The primary passes it on, without looking into it, whatever its program does. It keeps no more
/// of it than the high-water mark of the receiver's channel (`settings::messages`): what is for one
/// that is slower than that is lost, which an `error_event` of that receiver tells there
/// (`error::queue_full`, `error::message_too_large`), once until it has room again. Who needs to
/// know that a message has arrived lets the receiver answer.
/// Nor does it read on while more than that mark of what this worker has sent to the primary itself
/// waits to be received there: then `send_to` becomes `congested`.
///
/// Descriptors and requests go between a worker and its primary only.
template <class Protocol, class Executor>
class peer_endpoint : public message_endpoint<typename Protocol::to_primary,
                          typename Protocol::to_worker, typename Protocol::codec, Executor> {
  using base = message_endpoint<typename Protocol::to_primary, typename Protocol::to_worker,
      typename Protocol::codec, Executor>;

public:
  /// Sends to all workers of a group, except to this one; how `settings::group` and
  /// `cohort::group` name it. As `send` it queues and returns; the status is that of the way to the
  /// primary. When there is no such worker at the moment, an `error_event` of this worker tells it
  /// there (`error::worker_gone`), once until a message reaches somebody again.
  ///
  /// Alone: `not_connected`, as for every `send`. The group's name counts to the size of the
  /// message.
  /// @throws std::invalid_argument for a name that is empty or has more than 64 bytes.
  /// Source: node-cluster's `sendto`.
  template <class Message>
  send_status send_to(std::string_view group, Message&& message);

  /// The same to one worker, such as the one that has sent what is answered. To this one itself:
  /// `not_connected`, as to 0.
  template <class Message>
  send_status send_to(worker_id receiver, Message&& message);

  /// The same to all workers of the cluster but this one, whatever their group. When there is none
  /// nothing tells it.
  /// Source: node-cluster's `broadcast`.
  template <class Message>
  send_status broadcast(Message&& message);

  /// Descriptors go to the primary only.
  template <class Receiver, class Message, class Attached>
  send_status send_to(const Receiver& to, Message&& message, Attached&& attached);

protected:
  using core_type = typename base::core_type;

  peer_endpoint(std::shared_ptr<core_type> messages, std::shared_ptr<detail::self_core> self)
      : base(std::move(messages)),
        self_(std::move(self))
  {
  }
  ~peer_endpoint() = default;

private:
  template <class Message>
  send_status relay(Message&& message, worker_id receiver, std::string_view group);

  std::shared_ptr<detail::self_core> self_;
};

// Implementation

template <class Protocol, class Executor>
template <class Message>
send_status peer_endpoint<Protocol, Executor>::send_to(std::string_view group, Message&& message)
{
  if (group.empty() || group.size() > detail::wire::max_group_name)
    throw std::invalid_argument("cohort: no group has such a name");
  return relay(std::forward<Message>(message), 0, group);
}

template <class Protocol, class Executor>
template <class Message>
send_status peer_endpoint<Protocol, Executor>::send_to(worker_id receiver, Message&& message)
{
  if (receiver == 0 || receiver == detail::posix::role().id) return send_status::not_connected;
  return relay(std::forward<Message>(message), receiver, std::string_view());
}

template <class Protocol, class Executor>
template <class Message>
send_status peer_endpoint<Protocol, Executor>::broadcast(Message&& message)
{
  return relay(std::forward<Message>(message), 0, std::string_view());
}

template <class Protocol, class Executor>
template <class Receiver, class Message, class Attached>
send_status peer_endpoint<Protocol, Executor>::send_to(const Receiver&, Message&&, Attached&&)
{
  static_assert(std::is_void_v<Attached>,
      "handles go between a worker and its primary, not from worker to worker: send(message, "
      "std::move(handle)), and let the primary send it on");
  return send_status::handle_refused;
}

template <class Protocol, class Executor>
template <class Message>
send_status peer_endpoint<Protocol, Executor>::relay(
    Message&& message, worker_id receiver, std::string_view group)
{
  using peer_list = typename base::in_list;
  constexpr bool listed = peer_list::template contains<detail::sent_as<peer_list, Message>>;
  static_assert(listed, "workers receive messages of the protocol's to_worker, and this is none");
  if constexpr (listed) {
    if (self_->is_connected()) self_->relays();
    return this->message_core()->send_relay(
        detail::to_sent<peer_list>(std::forward<Message>(message)), receiver, group);
  } else {
    return send_status::not_connected;
  }
}

} // namespace cohort
