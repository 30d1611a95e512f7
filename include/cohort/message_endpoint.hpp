// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/detail/channel/message_core.hpp>
#include <cohort/detail/channel/sent_as.hpp>
#include <cohort/envelope.hpp>
#include <cohort/handle.hpp>
#include <cohort/message/codec.hpp>
#include <cohort/message/protocol.hpp>
#include <cohort/send_status.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace cohort::detail {

// Handles that are not given away; those that are, are no completion token either.
template <class T>
inline constexpr bool
    is_kept_attachment = std::is_lvalue_reference_v<T> &&
                         (std::is_same_v<std::remove_cvref_t<T>, handle> ||
                             std::is_same_v<std::remove_cvref_t<T>, std::vector<handle>>);
template <class T>
inline constexpr bool is_given_attachment =
    std::convertible_to<T, handle> || std::convertible_to<T, std::vector<handle>>;

// Left out of template arguments that somebody writes: a token is never one of them.
enum class deduced : bool {};

template <class Out, class In, class Codec>
using endpoint_codec_check =
    codec_check<Codec, typename list_of_t<Out>::base, typename list_of_t<In>::base>;

template <class T>
inline constexpr bool is_awaitable = false;
template <class T, class Executor>
inline constexpr bool is_awaitable<asio::awaitable<T, Executor>> = true;

} // namespace cohort::detail

namespace cohort {

/// What every end of a message channel can do: a `message_channel`, a `worker` in its primary, and
/// `this_worker`.
///
/// Messages arrive once each and in order, or not at all when the peer goes away first. What does
/// not fit the list of types does not compile. Nothing is read before somebody receives, serves or
/// asks, and what is read then and not for him is kept: nothing is lost before there is a receiver.
/// Beyond a bound nothing more is read, and a peer that sends on becomes `congested`.
///
/// Nothing here waits in the calling thread. The suspending functions run their handler on its
/// associated executor, never inside the call, and support terminal, partial and total
/// cancellation, which loses no message.
///
/// Thread safety: distinct objects safe, shared objects unsafe.
///
/// `Out` and `In` are lists: `messages`, `to_primary`, `to_worker`, `untyped`.
template <class Out, class In, class Codec, class Executor = asio::any_io_executor>
class message_endpoint {
  using codec_check = detail::endpoint_codec_check<Out, In, Codec>;
  static_assert(codec_check::free_of(detail::codec_fault::no_codec),
      "this is no codec for messages: cohort::json_codec and cohort::binary_codec are");
  static_assert(codec_check::free_of(detail::codec_fault::no_encode),
      "the codec has no function encode(Message&&, byte_sink&) as in cohort/message/codec.hpp");
  static_assert(codec_check::free_of(detail::codec_fault::no_decode),
      "the codec has no function decode<Message> as in cohort/message/codec.hpp");
  static_assert(codec_check::free_of(detail::codec_fault::no_layout),
      "the codec has no function schema<Message>, or no exact_schema, as in "
      "cohort/message/codec.hpp");
  static_assert(detail::carries<Codec, typename codec_check::obstacle>,
      "the codec cannot carry a message of the protocol: describe this type with "
      "BOOST_DESCRIBE_STRUCT, or see what the codec knows");

public:
  using duration = std::chrono::steady_clock::duration;
  /// `std::variant` of all types of `In`.
  using received_message = typename detail::list_of_t<In>::value;
  using envelope_type = envelope<received_message>;

  /// Queues a message and returns at once. An rvalue is given away: large buffers in it may be
  /// sent from where they lie. What the codec throws comes out of here, and nothing is sent.
  ///
  /// An rvalue that is refused (`queue_full`, `message_too_large`) may have been moved from all the
  /// same: give an lvalue if you want to try again.
  ///
  /// Source: Node's `process.send`, which cannot tell these cases apart.
  template <class Message>
  send_status send(Message&& message);

  /// The same with descriptors, at most 64. They are moved from when the message was queued, else
  /// (also when the codec throws) they stay the caller's. To keep one as well, send
  /// `handle::duplicate()`.
  template <class Message>
  send_status send(Message&& message, handle&& attached);
  template <class Message>
  send_status send(Message&& message, std::vector<handle>&& attached);

  /// The same as an operation: completes when the message has reached the kernel.
  ///
  /// Completion signature: `void(std::error_code)`. Cancelling it ends the wait only.
  /// Errors: for each `send_status` that is a failure its code: `error::queue_full`,
  /// `error::disconnected`, `error::message_too_large`; for what the codec throws the code in it,
  /// else `error::invalid_message`.
  ///
  /// With g++ 12 name the message before a `co_await` of this: an aggregate temporary in what is
  /// awaited is destroyed twice.
  template <class Message, class Token>
  requires(!detail::is_given_attachment<Token> || detail::is_kept_attachment<Token>) auto send(
      Message&& message, Token&& token);

  /// Completes when everything that was queued before has reached the kernel.
  ///
  /// Completion signature: `void(std::error_code)`. Errors: `error::disconnected`.
  template <class Token = default_token_t<Executor>>
  auto flushed(Token&& token = Token());

  /// How many bytes wait to be written; a handle counts as `channel_options::handle_weight`.
  std::size_t queued_bytes() const noexcept { return core_->queued_bytes(); }

  /// Waits for the next message, of any type.
  ///
  /// Completion signature: `void(std::error_code, envelope_type)`. What was received before the
  /// peer's end comes first, then `error::disconnected`.
  template <detail::deduced = detail::deduced(), class Token = default_token_t<Executor>>
  auto receive(Token&& token = Token());

  /// The next message, if it has been read already. After a `receive`, this gives what came
  /// together with its message, and costs less than waiting for each:
  ///
  ///     auto next = co_await channel.receive();
  ///     do {
  ///       ...
  ///     } while (channel.try_receive(next));
  ///
  /// @param into left alone when there is none.
  bool try_receive(envelope_type& into) { return core_->try_receive(into); }

  /// Waits for the next message of one type; others stay for those who receive them, and when too
  /// many bytes of them lie here (`channel_options::high_water`) nothing more is read until then.
  ///
  /// Completion signature: `void(std::error_code, envelope<Message>)`.
  template <class Message, class Token = default_token_t<Executor>>
  auto receive(Token&& token = Token());

  /// Sends a message that the peer serves, and waits for its reply.
  ///
  /// Completion signature: `void(std::error_code, Reply)`. A reply after the deadline is ignored.
  /// With a deadline that is not in the future it is `error::timed_out`, and nothing is sent.
  /// Errors: `error::timed_out`, `error::disconnected` when the peer goes,
  /// `error::request_failed` when it could not serve it, those of `send`; and
  /// `error::unknown_message`, `error::schema_mismatch` or `error::invalid_message` for a reply
  /// that this side does not understand.
  ///
  /// Messages that come before the reply are kept for their receivers, up to
  /// `channel_options::queue_limit`: beyond it nothing is read, and only a deadline ends the wait.
  ///
  /// Ending the wait, by the deadline or by cancelling it, does not end the work over there. With
  /// g++ 12 name the message before a `co_await` of this, as for `send`.
  template <class Reply, class Message, class Token = default_token_t<Executor>>
  auto request(Message&& message, duration deadline, Token&& token = Token());
  template <class Reply, class Message, class Token = default_token_t<Executor>>
  requires(!std::convertible_to<Token, duration>) auto request(
      Message&& message, Token&& token = Token());

  /// Answers requests of one type from now on, and those that have come already. (Up to 256 KiB of
  /// requests wait for somebody to serve them; what comes beyond that fails.)
  ///
  /// @param function `asio::awaitable<Reply>(Request)`; it runs once for each request, many at a
  ///   time, on this object's executor. It lives until the channel ends, and as long as one of its
  ///   coroutines. An exception out of it is a failure for whoever asked, and a problem that is
  ///   reported here.
  template <class Request, class Function>
  void serve(Function function);

protected:
  using out_list = detail::list_of_t<Out>;
  using in_list = detail::list_of_t<In>;
  using core_type = detail::message_core<out_list, in_list, typename codec_check::codec>;
  using core_pointer = std::shared_ptr<core_type>;

  message_endpoint() noexcept = default;
  explicit message_endpoint(core_pointer core) noexcept : core_(std::move(core)) {}
  message_endpoint(const message_endpoint&) = default;
  message_endpoint(message_endpoint&&) noexcept = default;
  message_endpoint& operator=(const message_endpoint&) = default;
  message_endpoint& operator=(message_endpoint&&) noexcept = default;
  ~message_endpoint() = default;

  const core_pointer& message_core() const noexcept { return core_; }

private:
  template <class Message>
  static decltype(auto) to_sent(Message&& message)
  {
    return detail::to_sent<out_list>(std::forward<Message>(message));
  }

  template <class Message>
  using sent_t = detail::sent_as<out_list, Message>;

  // One sentence for a wrong type, and no page of consequences.
  template <class Message>
  static constexpr bool check_sent()
  {
    constexpr bool listed = out_list::template contains<Message>;
    static_assert(listed, "this side of the protocol does not send messages of this type");
    return listed;
  }

  // What was said once need not be followed by what a `void` cannot do.
  template <class Signature, class Token>
  static auto refused(Token& token)
  {
    return asio::async_initiate<Token, Signature>([](auto) {}, token);
  }

  core_pointer core_;
};

// Implementation

namespace detail {

/// The side of `Protocol` that sends `Out`. `start` is called with the core of each channel.
template <class Out, class In, class Protocol, class Start>
message_side describe_side(Start start)
{
  using codec = typename Protocol::codec;
  static_assert(is_complete<codec>,
      "include <cohort/message/json.hpp> or <cohort.hpp> for cohort::json_codec");
  using checked = typename endpoint_codec_check<Out, In, codec>::codec;
  using core = message_core<list_of_t<Out>, list_of_t<In>, checked>;
  message_side side;
  side.open = [start](const asio::any_io_executor& executor, posix::unique_fd socket,
                  const channel_options& options, worker_id worker) {
    auto opened = std::make_shared<core>(executor, std::move(socket), options, worker);
    start(*opened);
    return opened;
  };
  if constexpr (std::is_same_v<checked, codec>) side.fingerprint = fingerprint<Protocol>();
  return side;
}

} // namespace detail

template <class Out, class In, class Codec, class Executor>
template <class Message>
send_status message_endpoint<Out, In, Codec, Executor>::send(Message&& message)
{
  return send(std::forward<Message>(message), std::vector<handle>());
}

template <class Out, class In, class Codec, class Executor>
template <class Message>
send_status message_endpoint<Out, In, Codec, Executor>::send(Message&& message, handle&& attached)
{
  std::vector<handle> all;
  all.push_back(std::move(attached));
  // Also when the codec throws.
  const auto give_back = [&attached](std::vector<handle>* left) {
    if (!left->empty()) attached = std::move(left->front());
  };
  const std::unique_ptr<std::vector<handle>, decltype(give_back)> kept(&all, give_back);
  return send(std::forward<Message>(message), std::move(all));
}

template <class Out, class In, class Codec, class Executor>
template <class Message>
send_status message_endpoint<Out, In, Codec, Executor>::send(
    Message&& message, std::vector<handle>&& attached)
{
  if constexpr (check_sent<sent_t<Message>>())
    return core_->send(to_sent(std::forward<Message>(message)), attached);
  else return send_status::not_connected;
}

template <class Out, class In, class Codec, class Executor>
template <class Message, class Token>
requires(!detail::is_given_attachment<Token> ||
         detail::is_kept_attachment<Token>) auto message_endpoint<Out, In, Codec,
    Executor>::send(Message&& message, Token&& token)
{
  constexpr bool kept = detail::is_kept_attachment<Token>;
  static_assert(!kept, "handles are given away with a message: send(message, std::move(handles))");
  if constexpr (kept) return send_status::handle_refused;
  else if constexpr (check_sent<sent_t<Message>>())
    return asio::async_initiate<Token, void(std::error_code)>(
        [](auto handler, core_pointer core, sent_t<Message> sent) {
          core->send_and_wait(std::move(sent), std::vector<handle>(), std::move(handler));
        },
        token, core_, sent_t<Message>(to_sent(std::forward<Message>(message))));
  else return refused<void(std::error_code)>(token);
}

template <class Out, class In, class Codec, class Executor>
template <class Token>
auto message_endpoint<Out, In, Codec, Executor>::flushed(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, core_pointer core) { core->flushed(std::move(handler)); }, token, core_);
}

template <class Out, class In, class Codec, class Executor>
template <detail::deduced, class Token>
auto message_endpoint<Out, In, Codec, Executor>::receive(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, envelope_type)>(
      [](auto handler, core_pointer core) { core->receive(std::move(handler)); }, token, core_);
}

template <class Out, class In, class Codec, class Executor>
template <class Message, class Token>
auto message_endpoint<Out, In, Codec, Executor>::receive(Token&& token)
{
  constexpr bool listed = in_list::template contains<Message>;
  static_assert(listed, "the other side of the protocol does not send messages of this type");
  if constexpr (listed)
    return asio::async_initiate<Token, void(std::error_code, envelope<Message>)>(
        [](auto handler, core_pointer core) {
          core->template receive_one<Message>(std::move(handler));
        },
        token, core_);
  else return refused<void(std::error_code, envelope<Message>)>(token);
}

template <class Out, class In, class Codec, class Executor>
template <class Reply, class Message, class Token>
auto message_endpoint<Out, In, Codec, Executor>::request(
    Message&& message, duration deadline, Token&& token)
{
  static_assert(in_list::template contains<Reply>,
      "the other side of the protocol does not send replies of this type");
  if constexpr (in_list::template contains<Reply> && check_sent<sent_t<Message>>())
    return asio::async_initiate<Token, void(std::error_code, Reply)>(
        [](auto handler, core_pointer core, sent_t<Message> sent, std::optional<duration> limit) {
          core->template request<Reply>(std::move(sent), limit, std::move(handler));
        },
        token, core_, sent_t<Message>(to_sent(std::forward<Message>(message))),
        deadline == duration::max() ? std::nullopt : std::optional(deadline));
  else return refused<void(std::error_code, Reply)>(token);
}

template <class Out, class In, class Codec, class Executor>
template <class Reply, class Message, class Token>
requires(
    !std::convertible_to<Token, std::chrono::steady_clock::duration>) auto message_endpoint<Out, In,
    Codec, Executor>::request(Message&& message, Token&& token)
{
  return request<Reply>(
      std::forward<Message>(message), duration::max(), std::forward<Token>(token));
}

template <class Out, class In, class Codec, class Executor>
template <class Request, class Function>
void message_endpoint<Out, In, Codec, Executor>::serve(Function function)
{
  constexpr bool listed = in_list::template contains<Request>;
  static_assert(listed, "the other side of the protocol does not send requests of this type");
  if constexpr (listed) {
    constexpr bool takes = std::is_invocable_v<Function&, Request>;
    static_assert(takes, "the function given to serve<Request> cannot be called with a Request");
    if constexpr (takes) {
      using result_type = std::invoke_result_t<Function&, Request>;
      constexpr bool waits = detail::is_awaitable<result_type>;
      static_assert(
          waits, "the function given to serve has to be a coroutine: asio::awaitable<Reply>");
      if constexpr (waits)
        if constexpr (check_sent<typename result_type::value_type>())
          core_->template serve<Request>(std::move(function));
    }
  }
}

} // namespace cohort
