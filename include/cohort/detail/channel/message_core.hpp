// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/channel/incoming_messages.hpp>
#include <cohort/detail/channel/message_port.hpp>
#include <cohort/detail/channel/message_transport.hpp>
#include <cohort/detail/channel/outgoing_messages.hpp>
#include <cohort/envelope.hpp>
#include <cohort/error.hpp>
#include <cohort/handle.hpp>
#include <cohort/message/protocol.hpp>
#include <cohort/send_status.hpp>
#include <cohort/worker_id.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace cohort::detail {

/// One end of a message channel: what is shared by its handles and its pending operations.
///
/// `Out` and `In` are `message_list`s.
template <class Out, class In, class Codec>
class message_core final : public message_port,
                           public message_source<envelope<typename In::value>>,
                           public std::enable_shared_from_this<message_core<Out, In, Codec>> {
  static_assert(Out::distinct() && In::distinct(),
      "two messages of one list are the same type, or have the same name");

public:
  using received = envelope<typename In::value>;
  using hub_type = message_hub<received>;
  using duration = std::chrono::steady_clock::duration;
  using handles = std::vector<handle>;

  message_core(const asio::any_io_executor& executor, posix::unique_fd socket,
      const channel_options& options, worker_id sender = 0);

  /// Before anything else, once it is owned.
  void start();
  /// Likewise; what nobody waits for here goes to those who wait there.
  void start(std::shared_ptr<hub_type> hub);
  /// Takes what other workers have sent, which else breaks the rules.
  void take_relayed() noexcept { takes_relayed_ = true; }

  const asio::any_io_executor& get_executor() const noexcept { return executor_; }
  bool can_send() const noexcept { return outgoing_.can_send(); }
  std::size_t queued_bytes() const noexcept { return outgoing_.queued_bytes(); }

  /// Queues a message. `attached` is empty afterwards when it was queued, else as it was.
  template <class Message>
  send_status send(Message&& message, handles& attached);

  /// Queues a message to other workers: to this one, or to those of a group, which is empty for
  /// all.
  template <class Message>
  send_status send_relay(Message&& message, worker_id worker, std::string_view group)
  {
    return outgoing_.send_relay(std::forward<Message>(message), worker, group);
  }

  /// The handler has the signature `void(std::error_code)`: the message has reached the kernel.
  template <class Message, class Handler>
  void send_and_wait(Message&& message, handles attached, Handler&& handler);

  /// `void(std::error_code)`: all that is queued now has reached the kernel.
  template <class Handler>
  void flushed(Handler&& handler)
  {
    outgoing_.flushed(std::forward<Handler>(handler));
  }

  /// `void(std::error_code, received)`.
  template <class Handler>
  void receive(Handler&& handler);

  /// A message that has been read already.
  bool try_receive(received& into);

  /// `void(std::error_code, envelope<Message>)`.
  template <class Message, class Handler>
  void receive_one(Handler&& handler);

  /// `void(std::error_code, Reply)`.
  template <class Reply, class Message, class Handler>
  void request(Message&& message, std::optional<duration> deadline, Handler&& handler);

  /// `function(Request)` gives an `asio::awaitable` of the reply.
  template <class Request, class Function>
  void serve(Function function);

  // For those who serve requests.
  template <class Reply>
  void reply(std::uint64_t number, Reply value);
  void fail_request(std::uint64_t number, std::error_code why, std::string_view what);
  void served();
  void problem(std::error_code code, std::string what);

  // For the hub.
  void want() override { transport_.read(); }
  bool take(received& into) override;
  std::size_t held_bytes() const noexcept override { return incoming_.box().bytes(); }

  // The port.
  void finish() override { transport_.finish(); }
  void read_ahead() override
  {
    incoming_.want_all();
    transport_.read();
  }
  void read_relays() override
  {
    incoming_.want_relays();
    transport_.read();
  }
  send_status pass_on(const wire::message_view& relay, worker_id sender) override
  {
    return outgoing_.pass_on(relay, sender);
  }
  void hold() override { held_ = true; }
  void open() override
  {
    held_ = false;
    transport_.read();
  }
  void read_to_end() override;
  void close() override;
  bool input_ended() const noexcept override { return transport_.input_ended(); }
  std::uint64_t handed_out() const noexcept override { return incoming_.box().handed_out(); }
  bool serving() const noexcept override { return incoming_.served().running(); }
  bool written() const noexcept override;

  // The transport's owner.
  bool wants_messages() const noexcept { return !held_ && incoming_.wanted(); }
  void on_message(const wire::message_view& message, io::received_descriptors& descriptors);
  void on_input_end(std::error_code reason);
  void on_written();

private:
  void report_progress();
  std::error_code end_reason() const noexcept;

  asio::any_io_executor executor_;
  message_transport<message_core> transport_;
  outgoing_messages<message_transport<message_core>, Codec> outgoing_;
  incoming_messages<In, Codec> incoming_;
  bool held_ = false;
  bool takes_relayed_ = false;
};

// Implementation

template <class Out, class In, class Codec>
message_core<Out, In, Codec>::message_core(const asio::any_io_executor& executor,
    posix::unique_fd socket, const channel_options& options, worker_id sender)
    : executor_(executor),
      transport_(executor, std::move(socket), options.max_message_size()),
      outgoing_(executor, options, transport_),
      incoming_(executor, options, sender)
{
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::start()
{
  transport_.set_owner(this->weak_from_this());
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::start(std::shared_ptr<hub_type> hub)
{
  start();
  hub->add(this->weak_from_this());
  incoming_.set_hub(std::move(hub));
  transport_.read();
}

template <class Out, class In, class Codec>
template <class Message>
send_status message_core<Out, In, Codec>::send(Message&& message, handles& attached)
{
  return outgoing_.send(std::forward<Message>(message), wire::message_kind::message, 0, attached);
}

template <class Out, class In, class Codec>
template <class Message, class Handler>
void message_core<Out, In, Codec>::send_and_wait(
    Message&& message, handles attached, Handler&& handler)
{
  const std::error_code error = outgoing_.try_to_send(
      std::forward<Message>(message), wire::message_kind::message, 0, attached);
  if (!error) return flushed(std::forward<Handler>(handler));
  complete_later(executor_, std::forward<Handler>(handler), error);
}

template <class Out, class In, class Codec>
template <class Handler>
void message_core<Out, In, Codec>::receive(Handler&& handler)
{
  incoming_.box().add(std::forward<Handler>(handler), end_reason());
  transport_.read();
}

template <class Out, class In, class Codec>
bool message_core<Out, In, Codec>::try_receive(received& into)
{
  return take(into) || incoming_.read_one(into, [this] { transport_.read_buffered(*this); });
}

template <class Out, class In, class Codec>
bool message_core<Out, In, Codec>::take(received& into)
{
  if (!incoming_.box().take(into)) return false;
  // Who waits for something else may have waited for this room.
  if (incoming_.wanted()) transport_.read_later();
  return true;
}

template <class Out, class In, class Codec>
template <class Message, class Handler>
void message_core<Out, In, Codec>::receive_one(Handler&& handler)
{
  incoming_.box().template add_one<Message>(std::forward<Handler>(handler), end_reason());
  transport_.read();
}

template <class Out, class In, class Codec>
template <class Reply, class Message, class Handler>
void message_core<Out, In, Codec>::request(
    Message&& message, std::optional<duration> deadline, Handler&& handler)
{
  using pending = pending_request_for<Reply, Codec>;
  auto asked = std::make_unique<pending>(executor_, std::forward<Handler>(handler));
  if (transport_.input_ended()) return asked->fail(error::disconnected);
  // Whoever served it would do so for nobody.
  if (deadline && *deadline <= duration::zero()) return asked->fail(error::timed_out);
  const std::uint64_t number = incoming_.requests().next_number();
  handles none;
  const std::error_code error = outgoing_.try_to_send(
      std::forward<Message>(message), wire::message_kind::request, number, none);
  if (error) return asked->fail(error);
  const message_output& output = transport_.output();
  if (output.failed()) return asked->fail(error::disconnected);
  incoming_.requests().add(
      std::move(asked), output.queued_until(), deadline, this->shared_from_this());
  transport_.read();
}

template <class Out, class In, class Codec>
template <class Request, class Function>
void message_core<Out, In, Codec>::serve(Function function)
{
  incoming_.served().template serve<Request>(std::move(function), this->shared_from_this());
  transport_.read();
}

template <class Out, class In, class Codec>
template <class Reply>
void message_core<Out, In, Codec>::reply(std::uint64_t number, Reply value)
{
  handles none;
  const send_status status =
      outgoing_.send(std::move(value), wire::message_kind::reply, number, none);
  if (!is_sent(status) && status != send_status::not_connected)
    fail_request(number, to_error(status), message_name<Reply>);
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::fail_request(
    std::uint64_t number, std::error_code why, std::string_view what)
{
  problem(why, std::string(what));
  if (can_send() && !outgoing_.send_failure(number)) transport_.end(error::queue_full);
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::problem(std::error_code code, std::string what)
{
  if (on_problem) on_problem({code, std::move(what)});
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::on_written()
{
  const message_output& output = transport_.output();
  outgoing_.written();
  if (output.failed())
    incoming_.requests().fail_unsent(output.written_until(), error::disconnected);
  report_progress();
  if (output.failure() && output.failure() != condition::peer_gone)
    problem(output.failure(), "the message channel");
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::on_message(
    const wire::message_view& message, io::received_descriptors& descriptors)
{
  const bool relay = message.kind == wire::message_kind::relay;
  if (relay && on_relay) return on_relay(message);
  if (relay || (message.kind == wire::message_kind::relayed && !takes_relayed_))
    return transport_.end(error::protocol_violation);
  incoming_.received(*this, message, descriptors);
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::on_input_end(std::error_code reason)
{
  // A peer that dies while it writes breaks off in a message; that is no fault of anybody.
  if (reason.category() == error_category() && reason != error::truncated && on_violation)
    on_violation(reason);
  else if (reason != asio::error::eof && reason != error::truncated)
    problem(reason, "the message channel");
  incoming_.end(this->shared_from_this());
  if (transport_.output().failed()) outgoing_.fail();
  report_progress();
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::read_to_end()
{
  transport_.read_to_end();
  close();
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::close()
{
  if (!transport_.is_open()) return;
  const bool was_reading = !transport_.input_ended();
  transport_.close();
  outgoing_.fail();
  if (was_reading) incoming_.end(this->shared_from_this());
}

template <class Out, class In, class Codec>
bool message_core<Out, In, Codec>::written() const noexcept
{
  const message_output& output = transport_.output();
  return output.finished() || output.failed();
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::served()
{
  transport_.read();
  report_progress();
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::report_progress()
{
  if (!on_progress || !(input_ended() || written())) return;
  // Behind the handlers that are on their way.
  asio::post(executor_, [core = this->shared_from_this()] {
    if (core->on_progress) core->on_progress();
  });
}

template <class Out, class In, class Codec>
std::error_code message_core<Out, In, Codec>::end_reason() const noexcept
{
  return transport_.input_ended() ? make_error_code(error::disconnected) : std::error_code();
}

} // namespace cohort::detail
