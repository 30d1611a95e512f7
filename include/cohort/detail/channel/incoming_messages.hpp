// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/detail/channel/inbox.hpp>
#include <cohort/detail/channel/message_hub.hpp>
#include <cohort/detail/channel/request_table.hpp>
#include <cohort/detail/channel/served_requests.hpp>
#include <cohort/detail/io/frame_input.hpp>
#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/envelope.hpp>
#include <cohort/error.hpp>
#include <cohort/handle.hpp>
#include <cohort/message/codec.hpp>
#include <cohort/message/message_name.hpp>
#include <cohort/worker_id.hpp>

#include <asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// What one end of a message channel has received, and who waits for what: decodes each message,
/// and gives it to a receiver, to the server of its type, or to the request that it answers.
template <class In, class Codec>
class incoming_messages {
public:
  using received_type = envelope<typename In::value>;
  using hub_type = message_hub<received_type>;

  incoming_messages(
      const asio::any_io_executor& executor, const channel_options& options, worker_id sender)
      : options_(options),
        sender_(sender),
        inbox_(executor),
        requests_(executor)
  {
  }

  /// What nobody waits for here goes to those who wait there.
  void set_hub(std::shared_ptr<hub_type> hub) noexcept { hub_ = std::move(hub); }

  inbox<In>& box() noexcept { return inbox_; }
  const inbox<In>& box() const noexcept { return inbox_; }
  request_table& requests() noexcept { return requests_; }
  served_requests<In>& served() noexcept { return served_; }
  const served_requests<In>& served() const noexcept { return served_; }

  /// Whether there is somebody to read for, and room.
  bool wanted() const noexcept;
  /// From now on everything is wanted, so that the peer can get rid of it.
  void want_all() noexcept { wants_all_ = true; }
  /// The same as long as there is room.
  void want_relays() noexcept { wants_relays_ = true; }
  /// Calls `read`, in which nothing is wanted but one message for `into`. Whether it came.
  template <class Read>
  bool read_one(received_type& into, Read read);

  /// `core` is whose channel it is: see `served_requests`, and `problem(error, text)`.
  template <class Core>
  void received(
      Core& core, const wire::message_view& message, io::received_descriptors& descriptors);

  /// Nothing comes any more. What is here stays; `self` keeps it for the hub.
  void end(std::shared_ptr<message_source<received_type>> self);

private:
  struct failure {
    std::error_code code;
    std::string what;
  };

  template <class Message>
  std::optional<Message> decode(
      const wire::message_view& message, std::optional<failure>& why) const;
  // False: it is a request, and too many wait already.
  template <class Message>
  bool deliver(
      Message&& message, const wire::message_view& view, io::received_descriptors& descriptors);
  template <class Core>
  void answered(Core& core, const wire::message_view& reply);

  channel_options options_;
  worker_id sender_;
  inbox<In> inbox_;
  request_table requests_;
  served_requests<In> served_;
  std::shared_ptr<hub_type> hub_;
  bool wants_one_ = false;
  bool wants_all_ = false;
  bool wants_relays_ = false;
};

// Implementation

template <class In, class Codec>
bool incoming_messages<In, Codec>::wanted() const noexcept
{
  const std::size_t held = inbox_.bytes() + served_.waiting_bytes();
  // A reply may be behind what nobody takes.
  const bool far = wants_all_ || requests_.waiting();
  if (held > (far ? options_.queue_limit() : options_.high_water())) return false;
  if (wants_one_) return inbox_.slot_is_open();
  return inbox_.waiting() || wants_all_ || wants_relays_ || served_.any() || requests_.waiting() ||
         (hub_ && hub_->waiting());
}

template <class In, class Codec>
template <class Read>
bool incoming_messages<In, Codec>::read_one(received_type& into, Read read)
{
  const auto end = [](incoming_messages* self) {
    self->wants_one_ = false;
    self->inbox_.close_slot();
  };
  wants_one_ = true;
  inbox_.open_slot(into);
  const std::unique_ptr<incoming_messages, decltype(end)> reading(this, end);
  read();
  return !inbox_.slot_is_open();
}

template <class In, class Codec>
template <class Core>
void incoming_messages<In, Codec>::received(
    Core& core, const wire::message_view& message, io::received_descriptors& descriptors)
{
  if (message.kind == wire::message_kind::reply || message.kind == wire::message_kind::failure)
    return answered(core, message);
  std::optional<failure> why;
  const bool done = In::any([&]<class Message, std::size_t>() {
    if (message_id<Message>() != message.type.type) return false;
    auto decoded = decode<Message>(message, why);
    if (!decoded || deliver(std::move(*decoded), message, descriptors)) return decoded.has_value();
    why.emplace(failure{error::queue_full, std::string(message_name<Message>) + ": nobody serves"});
    return false;
  });
  if (done) return;
  if (!why) why.emplace(failure{error::unknown_message, "a message of an unknown type"});
  if (message.kind == wire::message_kind::request)
    core.fail_request(message.sequence, why->code, why->what);
  else core.problem(why->code, std::move(why->what));
}

template <class In, class Codec>
template <class Message>
std::optional<Message> incoming_messages<In, Codec>::decode(
    const wire::message_view& message, std::optional<failure>& why) const
{
  const std::string_view name = message_name<Message>;
  if (Codec::exact_schema && message.type.schema != Codec::template schema<Message>()) {
    why.emplace(failure{error::schema_mismatch, std::string(name)});
    return std::nullopt;
  }
  decode_error wrong;
  std::optional<Message> decoded = Codec::template decode<Message>(message.body, wrong);
  if (!decoded) why.emplace(failure{wrong.code, std::string(name) + ": " + wrong.message()});
  return decoded;
}

template <class In, class Codec>
template <class Message>
bool incoming_messages<In, Codec>::deliver(
    Message&& message, const wire::message_view& view, io::received_descriptors& descriptors)
{
  const std::size_t size = wire::message_head_size + view.body.size() +
                           descriptors.fds.size() * channel_options::handle_weight;
  if (view.kind == wire::message_kind::request)
    return served_.received(std::move(message), view.sequence, size);
  const bool relayed = view.kind == wire::message_kind::relayed;
  const worker_id sender = relayed ? static_cast<worker_id>(view.sequence) : sender_;
  received_type complete{typename In::value(std::move(message)), {}, sender, descriptors.truncated};
  if (!descriptors.fds.empty()) complete.handles.reserve(descriptors.fds.size());
  for (posix::unique_fd& each : descriptors.fds) {
    std::error_code error;
    handle taken = handle::adopt(each.get(), error);
    if (error) {
      complete.handles_lost = true;
      continue;
    }
    each.release();
    complete.handles.push_back(std::move(taken));
  }
  if (inbox_.template offer<Message>(complete)) return true;
  if (hub_ && hub_->offer(complete)) return true;
  inbox_.template keep<Message>(std::move(complete), size);
  return true;
}

template <class In, class Codec>
template <class Core>
void incoming_messages<In, Codec>::answered(Core& core, const wire::message_view& reply)
{
  // Nobody, when it is too late.
  const auto asked = requests_.take_answered(reply.sequence);
  if (!asked) return;
  decode_error wrong;
  asked->replied(reply, wrong);
  if (wrong.code) core.problem(wrong.code, "a reply: " + wrong.message());
}

template <class In, class Codec>
void incoming_messages<In, Codec>::end(std::shared_ptr<message_source<received_type>> self)
{
  requests_.fail_all(error::disconnected);
  served_.end();
  inbox_.fail(error::disconnected);
  if (hub_ && !inbox_.empty()) hub_->keep(std::move(self));
}

} // namespace cohort::detail
