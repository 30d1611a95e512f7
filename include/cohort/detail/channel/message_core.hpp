// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/channel/flush_points.hpp>
#include <cohort/detail/channel/inbox.hpp>
#include <cohort/detail/channel/message_hub.hpp>
#include <cohort/detail/channel/message_port.hpp>
#include <cohort/detail/channel/message_transport.hpp>
#include <cohort/detail/channel/request_table.hpp>
#include <cohort/detail/channel/served_requests.hpp>
#include <cohort/envelope.hpp>
#include <cohort/error.hpp>
#include <cohort/handle.hpp>
#include <cohort/message/codec.hpp>
#include <cohort/message/protocol.hpp>
#include <cohort/send_status.hpp>
#include <cohort/worker_id.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
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

  const asio::any_io_executor& get_executor() const noexcept { return executor_; }
  bool can_send() const noexcept { return transport_.is_open() && transport_.output().accepts(); }
  std::size_t queued_bytes() const noexcept { return transport_.output().queued_bytes(); }

  /// Queues a message. `attached` is empty afterwards when it was queued, else as it was.
  template <class Message>
  send_status send(Message&& message, handles& attached);

  /// The handler has the signature `void(std::error_code)`: the message has reached the kernel.
  template <class Message, class Handler>
  void send_and_wait(Message&& message, handles attached, Handler&& handler);

  /// `void(std::error_code)`: all that is queued now has reached the kernel.
  template <class Handler>
  void flushed(Handler&& handler);

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

  // For the hub.
  void want() override { transport_.read(); }
  bool take(received& into) override { return inbox_.take(into); }

  // The port.
  void finish() override { transport_.finish(); }
  void read_ahead() override;
  void read_to_end() override;
  void close() override;
  bool settled() const noexcept override;

  // The transport's owner.
  bool wants_messages() const noexcept;
  void on_message(const wire::message_view& message, io::received_descriptors& descriptors);
  void on_input_end(std::error_code reason);
  void on_written();

private:
  template <class Message>
  send_status encode_and_queue(
      Message&& message, wire::message_kind kind, std::uint64_t number, handles& attached);
  template <class Message>
  void reply(std::uint64_t number, const std::exception_ptr& failure, Message message);
  void send_failure(std::uint64_t number);

  template <class Message>
  void decode_and_deliver(const wire::message_view& message, io::received_descriptors& descriptors);
  template <class Message>
  void deliver(envelope<Message>& message, std::size_t size);
  void answered(const wire::message_view& reply);
  void skipped(std::error_code why, const wire::message_view& message, std::string what);
  void problem(std::error_code code, std::string what);

  void input_over();
  void report_if_settled();
  std::error_code end_reason() const noexcept;

  asio::any_io_executor executor_;
  channel_options options_;
  worker_id sender_;
  message_transport<message_core> transport_;
  byte_sink sink_;
  inbox<In> inbox_;
  flush_points flush_points_;
  request_table requests_;
  served_requests<In> served_;
  std::shared_ptr<hub_type> hub_;
  // One that has been read is wanted now, not later.
  bool taking_ = false;
  bool reading_ahead_ = false;
  bool settled_told_ = false;
};

// Implementation

template <class Out, class In, class Codec>
message_core<Out, In, Codec>::message_core(const asio::any_io_executor& executor,
    posix::unique_fd socket, const channel_options& options, worker_id sender)
    : executor_(executor),
      options_(options),
      sender_(sender),
      transport_(executor, std::move(socket), options.max_message_size()),
      inbox_(executor),
      flush_points_(executor),
      requests_(executor)
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
  hub_ = std::move(hub);
  hub_->add(this->weak_from_this());
  if (hub_->waiting()) want();
}

template <class Out, class In, class Codec>
template <class Message>
send_status message_core<Out, In, Codec>::send(Message&& message, handles& attached)
{
  return encode_and_queue(std::forward<Message>(message), wire::message_kind::message, 0, attached);
}

template <class Out, class In, class Codec>
template <class Message>
send_status message_core<Out, In, Codec>::encode_and_queue(
    Message&& message, wire::message_kind kind, std::uint64_t number, handles& attached)
{
  using type = std::remove_cvref_t<Message>;
  if (!can_send()) return send_status::not_connected;
  if (attached.size() > wire::max_descriptors) return send_status::handle_refused;
  for (const handle& each : attached)
    if (each.sendable()) return send_status::handle_refused;
  if (queued_bytes() >= options_.queue_limit()) return send_status::queue_full;
  sink_.clear();
  sink_.extend(wire::message_head_size);
  Codec::encode(std::forward<Message>(message), sink_);
  const std::size_t body = sink_.size() - wire::message_head_size;
  if (body > options_.max_message_size()) return send_status::message_too_large;
  if (queued_bytes() + sink_.size() > options_.queue_limit()) return send_status::queue_full;
  wire::encode_message_head(kind, number, {message_id<type>(), Codec::template schema<type>()},
      body, attached.size(), std::span(sink_.copied()).template first<wire::message_head_size>());
  message_output::descriptors riders;
  riders.reserve(attached.size());
  for (handle& each : attached) riders.emplace_back(each.release());
  attached.clear();
  transport_.send(sink_, std::move(riders));
  return queued_bytes() > options_.high_water() ? send_status::congested : send_status::accepted;
}

template <class Out, class In, class Codec>
template <class Message, class Handler>
void message_core<Out, In, Codec>::send_and_wait(
    Message&& message, handles attached, Handler&& handler)
{
  const send_status status = send(std::forward<Message>(message), attached);
  if (is_sent(status)) return flushed(std::forward<Handler>(handler));
  complete_later(executor_, std::forward<Handler>(handler), to_error(status));
}

template <class Out, class In, class Codec>
template <class Handler>
void message_core<Out, In, Codec>::flushed(Handler&& handler)
{
  const message_output& output = transport_.output();
  if (output.failed())
    return complete_later(
        executor_, std::forward<Handler>(handler), make_error_code(error::disconnected));
  flush_points_.add(output.queued_until(), std::forward<Handler>(handler));
  flush_points_.reached(output.written_until());
}

template <class Out, class In, class Codec>
template <class Handler>
void message_core<Out, In, Codec>::receive(Handler&& handler)
{
  inbox_.add(std::forward<Handler>(handler), end_reason());
  transport_.read();
}

template <class Out, class In, class Codec>
bool message_core<Out, In, Codec>::try_receive(received& into)
{
  if (inbox_.empty()) {
    taking_ = true;
    transport_.read_buffered();
    taking_ = false;
  }
  return inbox_.take(into);
}

template <class Out, class In, class Codec>
template <class Message, class Handler>
void message_core<Out, In, Codec>::receive_one(Handler&& handler)
{
  inbox_.template add_one<Message>(std::forward<Handler>(handler), end_reason());
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
  const std::uint64_t number = requests_.next_number();
  handles none;
  const send_status status =
      encode_and_queue(std::forward<Message>(message), wire::message_kind::request, number, none);
  if (!is_sent(status)) return asked->fail(to_error(status));
  requests_.add(std::move(asked), deadline, this->shared_from_this());
  transport_.read();
}

template <class Out, class In, class Codec>
template <class Request, class Function>
void message_core<Out, In, Codec>::serve(Function function)
{
  using reply_type = typename std::invoke_result_t<Function&, Request>::value_type;
  // The coroutines may refer to the function object, so the core that holds it lives on with them.
  served_.template serve<Request>(
      [this, function = std::move(function)](Request&& request, std::uint64_t number) mutable {
        asio::co_spawn(executor_, function(std::move(request)),
            [core = this->shared_from_this(), number](std::exception_ptr failure,
                reply_type value) { core->reply(number, failure, std::move(value)); });
      });
  transport_.read();
}

template <class Out, class In, class Codec>
template <class Message>
void message_core<Out, In, Codec>::reply(
    std::uint64_t number, const std::exception_ptr& failure, Message message)
{
  handles none;
  auto status = send_status::accepted;
  std::string why;
  try {
    if (failure) std::rethrow_exception(failure);
    status = encode_and_queue(std::move(message), wire::message_kind::reply, number, none);
    if (!is_sent(status)) why = to_string(status);
  } catch (const std::exception& thrown) {
    why = thrown.what();
  } catch (...) {
    why = "an exception of unknown type";
  }
  served_.served();
  if (!why.empty()) {
    send_failure(number);
    if (status != send_status::not_connected) problem(error::request_failed, std::move(why));
  }
  transport_.read();
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::send_failure(std::uint64_t number)
{
  if (!can_send()) return;
  sink_.clear();
  sink_.extend(wire::message_head_size);
  wire::encode_message_head(wire::message_kind::failure, number, {}, 0, 0,
      std::span(sink_.copied()).template first<wire::message_head_size>());
  transport_.send(sink_, {});
}

template <class Out, class In, class Codec>
bool message_core<Out, In, Codec>::wants_messages() const noexcept
{
  const std::size_t held = inbox_.bytes() + served_.early_bytes();
  if (served_.full() || held >= (reading_ahead_ ? options_.queue_limit() : options_.high_water()))
    return false;
  if (taking_) return inbox_.empty();
  return inbox_.waiting() || reading_ahead_ || served_.any() || requests_.waiting() ||
         (hub_ && hub_->waiting());
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::on_message(
    const wire::message_view& message, io::received_descriptors& descriptors)
{
  if (message.kind == wire::message_kind::reply || message.kind == wire::message_kind::failure)
    return answered(message);
  const bool known = In::any([&]<class Message, std::size_t>() {
    if (message_id<Message>() != message.type.type) return false;
    decode_and_deliver<Message>(message, descriptors);
    return true;
  });
  if (!known) skipped(error::unknown_message, message, "a message of an unknown type");
}

template <class Out, class In, class Codec>
template <class Message>
void message_core<Out, In, Codec>::decode_and_deliver(
    const wire::message_view& message, io::received_descriptors& descriptors)
{
  constexpr std::uint32_t schema = Codec::template schema<Message>();
  const std::string_view name = message_name<Message>;
  if (Codec::exact_schema && message.type.schema != schema)
    return skipped(error::schema_mismatch, message, std::string(name));
  decode_error wrong;
  std::optional<Message> decoded = Codec::template decode<Message>(message.body, wrong);
  if (!decoded) return skipped(wrong.code, message, std::string(name) + ": " + wrong.message());
  const std::size_t size = wire::message_head_size + message.body.size();
  if (message.kind == wire::message_kind::request)
    return served_.template received<Message>(std::move(*decoded), message.sequence, size);
  envelope<Message> complete;
  complete.message = std::move(*decoded);
  complete.worker = sender_;
  complete.handles_lost = descriptors.truncated;
  complete.handles.reserve(descriptors.fds.size());
  for (posix::unique_fd& each : descriptors.fds)
    complete.handles.push_back(handle::adopt(each.release()));
  deliver(complete, size);
}

template <class Out, class In, class Codec>
template <class Message>
void message_core<Out, In, Codec>::deliver(envelope<Message>& message, std::size_t size)
{
  if (inbox_.offer(message)) return;
  if (hub_ && hub_->waiting()) {
    received any = inbox<In>::to_any(std::move(message));
    hub_->offer(any);
    return;
  }
  inbox_.keep(std::move(message), size);
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::answered(const wire::message_view& reply)
{
  const auto asked = requests_.take(reply.sequence);
  if (!asked) return;
  decode_error wrong;
  asked->replied(reply, wrong);
  if (wrong.code) problem(wrong.code, "a reply: " + wrong.message());
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::skipped(
    std::error_code why, const wire::message_view& message, std::string what)
{
  if (message.kind == wire::message_kind::request) send_failure(message.sequence);
  problem(why, std::move(what));
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::problem(std::error_code code, std::string what)
{
  if (on_problem) on_problem({code, std::move(what)});
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::on_written()
{
  if (transport_.output().failed()) flush_points_.fail(error::disconnected);
  else flush_points_.reached(transport_.output().written_until());
  report_if_settled();
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::on_input_end(std::error_code reason)
{
  // A peer that dies while it writes breaks off in a message; that is no fault of anybody.
  if (reason.category() == error_category() && reason != error::truncated)
    problem(reason, "the message channel");
  input_over();
  if (transport_.output().failed()) flush_points_.fail(error::disconnected);
  report_if_settled();
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::input_over()
{
  requests_.fail_all(error::disconnected);
  inbox_.fail(error::disconnected);
  if (hub_ && !inbox_.empty()) hub_->keep(this->shared_from_this());
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::read_ahead()
{
  reading_ahead_ = true;
  transport_.read();
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
  flush_points_.fail(error::disconnected);
  if (was_reading) input_over();
}

template <class Out, class In, class Codec>
bool message_core<Out, In, Codec>::settled() const noexcept
{
  const message_output& output = transport_.output();
  return transport_.input_ended() && (output.finished() || output.failed());
}

template <class Out, class In, class Codec>
void message_core<Out, In, Codec>::report_if_settled()
{
  if (!settled() || std::exchange(settled_told_, true)) return;
  // After what was read has been handed out: the handlers are on their way.
  asio::post(executor_, [core = this->shared_from_this()] {
    if (core->on_settled) core->on_settled();
  });
}

template <class Out, class In, class Codec>
std::error_code message_core<Out, In, Codec>::end_reason() const noexcept
{
  return transport_.input_ended() ? make_error_code(error::disconnected) : std::error_code();
}

} // namespace cohort::detail
