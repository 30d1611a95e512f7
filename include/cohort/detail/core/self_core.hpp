// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/config.hpp>
#include <cohort/detail/async/latch.hpp>
#include <cohort/detail/channel/message_port.hpp>
#include <cohort/detail/channel/problem_handler.hpp>
#include <cohort/detail/core/life_log.hpp>
#include <cohort/detail/core/message_farewell.hpp>
#include <cohort/detail/core/primary_loss.hpp>
#include <cohort/detail/core/self_beats.hpp>
#include <cohort/detail/core/self_listens.hpp>
#include <cohort/detail/core/self_progress.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/io/frame_channel.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/detail/wire/control.hpp>
#include <cohort/error.hpp>
#include <cohort/listen_options.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cohort::detail {

/// A worker's side of the cluster: its control channel, what it listens on, and its way out.
///
/// Without a channel it stands alone: it binds for itself and only its own drain ends it.
class self_core final : public source_owner,
                        public control_port,
                        public self_progress<self_core>,
                        public std::enable_shared_from_this<self_core> {
public:
  using duration = std::chrono::steady_clock::duration;

  static constexpr std::chrono::seconds kill_limit{1};

  self_core(const asio::any_io_executor& executor, posix::worker_channels channels,
      const message_side& side, const channel_options& options);

  /// Says hello and begins to read. Not for a worker that stands alone.
  void start();

  const asio::any_io_executor& get_executor() const noexcept { return executor_; }
  const std::shared_ptr<message_port>& messages() const noexcept { return messages_; }
  bool standalone() const noexcept { return !control_; }
  bool is_connected() const noexcept { return control_ && control_->is_open(); }
  bool draining() const noexcept { return draining_.is_set(); }
  latch<>& drain_requested() noexcept { return draining_; }
  latch<>& left() noexcept { return left_; }

  /// Adds a completion handler with signature `void(std::error_code, shared_ptr<Source>)`; the
  /// `Source` is as for `self_listens`.
  template <class Source = accept_source, class Handler>
  void listen(Handler&& handler, const listen_key& key, const listen_options& options);

  /// Completes such a handler with an error.
  template <class Source = accept_source, class Handler>
  void fail_listen(Handler&& handler, std::error_code error)
  {
    listens_.fail<Source>(std::forward<Handler>(handler), error);
  }

  /// See `self_listens::adopt`.
  auto adopt(int socket, bool is_unix, const listen_options& how, std::error_code& error)
  {
    error = leaving_ || draining() ? error::draining : std::error_code();
    return error ? nullptr : listens_.adopt(shared_from_this(), socket, is_unix, how, error);
  }

  /// Announces the end, and takes what is offered until the primary says that nothing follows; then
  /// (at once without a primary) it drains: no more connections, the live ones end, then `left`.
  void leave();

  /// Announces the end, and ends the process with this status once the primary has confirmed it and
  /// the messages that were sent are written; in a second whatever happens. The first call counts.
  void kill(int status);

  /// Cuts the channel without a word; then as if the primary had gone. Without a channel: nothing.
  void close_channel();

  /// Sends what the program has to say of its work; without a primary nothing.
  template <class Message>
  void tell(const Message& message)
  {
    send_message(message);
  }

  /// What happens when the primary goes away.
  primary_loss& loss() noexcept { return loss_; }

  /// Gives everything up without a word: waits end with `operation_aborted`.
  void abandon();

  // The channel's owner.
  void on_frame(const wire::frame_view& frame, io::received_descriptors& descriptors);
  void on_channel_end(std::error_code error);
  void on_channel_writable() { listens_.writable(); }

private:
  bool try_send(const wire::taken& message) override;
  void send(const wire::listen& message) override { send_message(message); }
  void send(const wire::listening& message) override { send_message(message); }
  void send(const wire::credit& message) override { send_message(message); }
  void send(const wire::refused& message) override { send_message(message); }
  void send(const wire::released& message) override { send_message(message); }
  void send(const wire::accepted& message) override { send_message(message); }
  void send(const wire::close& message) override;
  void source_lease_ended() override { leave_if_done(); }

  template <class Message>
  void send_message(const Message& message);

  void received(const wire::hello&) {}
  void received(const wire::listen_reply& reply, io::received_descriptors& descriptors)
  {
    // After our `bye` nothing may follow; the primary knows that we have left.
    if (!bye_sent_) listens_.received(reply, descriptors, shared_from_this());
  }
  void received(const wire::offer& offer, io::received_descriptors& descriptors)
  {
    listens_.received(offer, descriptors);
  }
  void received(const wire::turn& turn) { listens_.received(turn); }
  void received(const wire::drain&);
  void received(const wire::bye_ack&) { finish(); }
  void received(const wire::watch& message)
  {
    beats_.begin(shared_from_this(), std::chrono::milliseconds(message.interval));
  }

  void drain();
  void leave_if_done();
  bool messages_done();
  void finish();
  void exit_if_killed();
  void say_last_words()
  {
    // Who waits for something here waits no more, wherever an exception goes.
    loss_.end_process([this] {
      drain();
      finish();
    });
  }
  void channel_ended(std::error_code error);
  void primary_lost(std::error_code error);
  void on_violation(std::error_code why)
  {
    if (!is_connected()) return;
    control_->close();
    // It may have been noticed inside a call of the program.
    asio::post(executor_, [self = shared_from_this(), why] { self->channel_ended(why); });
  }

  asio::any_io_executor executor_;
  std::optional<io::frame_channel<self_core>> control_;
  std::shared_ptr<message_port> messages_;
  std::uint64_t fingerprint_;
  message_farewell farewell_;
  latch<> draining_;
  latch<> left_;
  self_listens listens_;
  io::alarm deadline_;
  self_beats beats_;
  primary_loss loss_;
  bool leaving_ = false;
  // The primary has said that no offer follows.
  bool last_offer_seen_ = false;
  bool bye_sent_ = false;
  // The program has given this process up.
  std::optional<int> status_;
};

// Implementation

inline self_core::self_core(const asio::any_io_executor& executor, posix::worker_channels channels,
    const message_side& side, const channel_options& options)
    : executor_(executor),
      messages_(side.open(executor, std::move(channels.messages), options, 0)),
      fingerprint_(side.fingerprint),
      draining_(executor),
      left_(executor),
      listens_(executor, *this),
      deadline_(executor),
      beats_(executor)
{
  if (channels.control)
    control_.emplace(executor, std::move(channels.control), wire::max_control_payload);
}

inline void self_core::start()
{
  wire::hello hello;
  hello.library = version;
  hello.schema = fingerprint_;
  send_message(hello);
  control_->start(shared_from_this());
  messages_->on_progress = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->leave_if_done();
  };
  messages_->on_problem = [](const channel_problem& problem) {
    print_problem("worker " + std::to_string(posix::role().id), problem);
  };
  messages_->on_violation = [weak = weak_from_this()](std::error_code why) {
    if (const auto self = weak.lock()) self->on_violation(why);
  };
}

template <class Message>
void self_core::send_message(const Message& message)
{
  // Behind `bye` nothing may follow, whatever ends or is reported meanwhile.
  if (is_connected() && !bye_sent_) control_->send(wire::control_frame(message).bytes());
}

inline bool self_core::try_send(const wire::taken& message)
{
  std::error_code error;
  return is_connected() && !bye_sent_ &&
         control_->try_send(wire::control_frame(message).bytes(), {}, error);
}

inline void self_core::send(const wire::close& message)
{
  listens_.left(message.listener);
  send_message(message);
}

template <class Source, class Handler>
void self_core::listen(Handler&& handler, const listen_key& key, const listen_options& options)
{
  if (leaving_ || draining())
    return fail_listen<Source>(std::forward<Handler>(handler), error::draining);
  if (standalone() || options.exclusive())
    return listens_.bind<Source>(std::forward<Handler>(handler), shared_from_this(), key, options);
  if (!is_connected())
    return fail_listen<Source>(std::forward<Handler>(handler), error::disconnected);
  listens_.ask<Source>(std::forward<Handler>(handler), key, options);
}

inline void self_core::on_frame(
    const wire::frame_view& frame, io::received_descriptors& descriptors)
{
  std::error_code error;
  wire::visit_from_primary(
      frame,
      [&](const auto& message) {
        if constexpr (requires { received(message, descriptors); }) received(message, descriptors);
        else received(message);
      },
      error);
  if (error) on_violation(error);
}

inline void self_core::received(const wire::drain&)
{
  last_offer_seen_ = true;
  // The primary has ended its stream as well.
  messages_->read_ahead();
  drain();
}

inline void self_core::leave()
{
  if (leaving_ || draining()) return;
  leaving_ = true;
  log_own_life("leaves");
  if (is_connected()) send_message(wire::leaving());
  else drain();
}

inline void self_core::kill(int status)
{
  if (status_) return;
  status_ = status;
  if (!is_connected()) return finish();
  deadline_.set_after(kill_limit, [self = shared_from_this()] { self->finish(); });
  const bool announced = leaving_ || draining();
  leaving_ = true;
  // The primary is done with it when it has said that no offer follows.
  if (!last_offer_seen_) listens_.leave_all(error::draining);
  if (!announced) {
    log_own_life("leaves");
    send_message(wire::leaving());
  }
  draining_.set(std::error_code());
  leave_if_done();
}

inline void self_core::close_channel()
{
  if (!is_connected()) return;
  control_->close();
  messages_->finish();
  // The program goes on until it gives the event loop back, and what it has sent is written first.
  asio::post(executor_, [self = shared_from_this()] { self->channel_ended(std::error_code()); });
}

inline void self_core::drain()
{
  if (!draining()) log_own_life("drains");
  draining_.set(std::error_code());
  listens_.close(error::draining);
  leave_if_done();
}

inline void self_core::leave_if_done()
{
  if (!draining() || left_.is_set() || bye_sent_) return;
  if (listens_.any_live() && !status_) return;
  if (!is_connected()) return finish();
  if (!last_offer_seen_ || !messages_done()) return;
  send_message(wire::bye());
  bye_sent_ = true;
}

inline bool self_core::messages_done()
{
  if (status_) {
    // Nobody here receives or answers any more.
    messages_->finish();
    return messages_->written();
  }
  return farewell_.done(*messages_, executor_, [self = weak_from_this()] {
    if (const auto alive = self.lock()) alive->leave_if_done();
  });
}

inline void self_core::finish()
{
  deadline_.call_off();
  beats_.end();
  if (control_) control_->close();
  messages_->read_to_end();
  left_.set(std::error_code());
  // Behind those who waited for that.
  exit_if_killed();
}

inline void self_core::exit_if_killed()
{
  if (status_) asio::post(executor_, [status = *status_] { posix::exit_at_once(status); });
}

inline void self_core::abandon()
{
  if (control_) control_->close();
  messages_->on_problem = nullptr;
  messages_->on_violation = nullptr;
  messages_->close();
  deadline_.call_off();
  beats_.end();
  listens_.close(asio::error::operation_aborted);
  draining_.set(asio::error::operation_aborted);
  left_.set(asio::error::operation_aborted);
  exit_if_killed();
}

inline void self_core::on_channel_end(std::error_code error)
{
  control_->close();
  channel_ended(error);
}

inline void self_core::channel_ended(std::error_code error)
{
  if (left_.is_set()) return;
  if (bye_sent_ || status_) finish();
  else primary_lost(error);
}

inline void self_core::primary_lost(std::error_code error)
{
  log_own_life("lost its primary");
  const bool violated = primary_loss::is_violation(error);
  if (violated)
    std::cerr << "cohort: worker " << posix::role().id << ": " << error.message() << '\n';
  const auto limit = loss_.drain(!violated && (leaving_ || draining()));
  if (!limit && violated) posix::exit_at_once(1);
  if (!limit) return say_last_words();
  drain();
  if (!left_.is_set())
    deadline_.set_after(*limit, [self = shared_from_this()] { self->say_last_words(); });
}

} // namespace cohort::detail
