// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/detail/async/after_events.hpp>
#include <cohort/detail/core/control_link.hpp>
#include <cohort/detail/core/escalation.hpp>
#include <cohort/detail/core/settle.hpp>
#include <cohort/detail/core/watched_worker.hpp>
#include <cohort/detail/posix/child.hpp>
#include <cohort/detail/wire/control.hpp>
#include <cohort/error.hpp>
#include <cohort/settings.hpp>

#include <csignal>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cohort::detail {

/// A worker as its primary sees it: process, control channel, and the way out with its deadlines.
///
/// `Cluster` has, beside what a `watched_worker` needs: `connections()` (a `dispatcher`),
/// `offer_failed(error_code)`, `message_fingerprint()` and `removed(worker_id)` (it belongs to
/// `workers()` no more).
template <class Cluster>
class managed_worker final : public watched_worker<Cluster> {
  using base = watched_worker<Cluster>;

public:
  using base::id;
  using base::kill;
  using typename base::duration;

  managed_worker(const asio::any_io_executor& executor, const candidate& description,
      Cluster& cluster, posix::unique_fd control, std::shared_ptr<message_port> messages,
      const settings& how);

  /// Starts the process; with an error nothing of it is left.
  void start(const posix::child_options& options, posix::start_error& error);
  /// Publishes that it was started.
  void announce() { apply(state_.started()); }

  bool send_offer(const wire::offer& message, std::span<const int> descriptors) noexcept;
  bool send_turn(const wire::turn& message) noexcept { return control_.try_send(message); }
  /// A listener needs this worker no more: see `dispatcher::leave`.
  void last_call_done()
  {
    if (!cluster()->connections().is_member(id())) send_drain();
  }

  void disconnect(duration deadline) override;
  void close_channel() override { apply(state_.channel_closed()); }

  /// The cluster goes away: the channels close, which ends the worker.
  void orphan();

  // The channel's owner.
  void on_frame(const wire::frame_view& frame, io::received_descriptors& descriptors);
  void on_channel_end(std::error_code error);
  void on_channel_writable();

private:
  using base::cluster;
  using base::description_;
  using base::messages_;
  using base::report;
  using base::state_;

  // What a frame says. False: it contradicts what is known here.
  bool received(const wire::hello&);
  bool received(const wire::listen& message);
  bool received(const wire::listening& message);
  bool received(const wire::leaving&)
  {
    apply(state_.leaving());
    return true;
  }
  bool received(const wire::bye&)
  {
    if (drain_written_) apply(state_.bye());
    return drain_written_;
  }
  bool received(const wire::ready&)
  {
    apply(state_.ready());
    return true;
  }
  template <class Message>
  bool received(const Message& message);
  template <class Message>
  bool handle(const Message& message);

  template <class Message>
  void send(const Message& message)
  {
    bounded(control_.send(message));
  }
  void let_leave();
  void send_drain();
  /// Closes what the worker will not hear of.
  auto unheard();
  /// False: it lets wait too much of what it asked for.
  void bounded(bool in_bounds)
  {
    if (!in_bounds) violated(std::make_error_code(std::errc::no_buffer_space));
  }

  void apply(const worker_actions& actions);
  void apply(worker_action action);
  void finish_channels();
  void end_channel();
  void condemn();
  void violated(std::error_code why)
  {
    violation_ = why;
    apply(state_.violated());
  }
  void process_exited(exit_status status);

  auto self() { return std::static_pointer_cast<managed_worker>(this->shared_from_this()); }
  auto weak() { return std::weak_ptr<managed_worker>(self()); }

  control_link<managed_worker> control_;
  settings how_;
  escalation end_;
  // Why it was condemned, if it was.
  std::error_code violation_ = error::protocol_violation;
  bool drain_written_ = false;
  bool schemas_agree_ = true;
};

// Implementation

template <class Cluster>
managed_worker<Cluster>::managed_worker(const asio::any_io_executor& executor,
    const candidate& description, Cluster& owner, posix::unique_fd control,
    std::shared_ptr<message_port> messages, const settings& how)
    : base(executor, description, owner, std::move(messages), how),
      control_(executor, std::move(control)),
      how_(how),
      end_(executor)
{
  this->group_ = how.group();
}

template <class Cluster>
void managed_worker<Cluster>::start(const posix::child_options& options, posix::start_error& error)
{
  // Weak, or this and its process would hold each other for ever when the context ends first.
  this->process_ = process::start(
      this->executor_, options,
      [weak = weak()](exit_status status) {
        if (const auto self = weak.lock()) self->process_exited(status);
      },
      error);
  if (error.code) return messages_->close();
  control_.start(self());
  // Nobody hears of it before it is online.
  messages_->hold();
  messages_->on_problem = [weak = weak()](const channel_problem& problem) {
    if (const auto self = weak.lock()) self->report(problem.what.c_str(), problem.code);
  };
  messages_->on_violation = [weak = weak()](std::error_code why) {
    if (const auto self = weak.lock()) self->violated(why);
  };
}

template <class Cluster>
bool managed_worker<Cluster>::send_offer(
    const wire::offer& message, std::span<const int> descriptors) noexcept
{
  std::error_code error;
  if (control_.send_offer(message, descriptors, error)) return true;
  // A broken channel takes nothing either; its end is reported on its own.
  if (error && error != condition::peer_gone) cluster()->offer_failed(error);
  return false;
}

template <class Cluster>
void managed_worker<Cluster>::on_frame(const wire::frame_view& frame, io::received_descriptors&)
{
  if (!cluster()) return;
  std::error_code error;
  bool fits = true;
  wire::visit_from_worker(
      frame,
      [&](const auto& message) {
        fits = state_.reads_frames()
                   ? this->handle(message)
                   : settle(cluster()->connections(), id(), message, state_.heeds());
      },
      error);
  if (error) violation_ = error;
  if (error || !fits) apply(state_.violated());
}

template <class Cluster>
template <class Message>
bool managed_worker<Cluster>::handle(const Message& message)
{
  using wire::message_type;
  constexpr bool has_own_input = Message::type == message_type::hello ||
                                 Message::type == message_type::leaving ||
                                 Message::type == message_type::bye;
  const worker_actions actions = has_own_input ? worker_actions() : state_.frame();
  apply(actions);
  return !actions.empty() || received(message);
}

template <class Cluster>
bool managed_worker<Cluster>::received(const wire::hello& hello)
{
  schemas_agree_ = hello.schema == cluster()->message_fingerprint();
  wire::hello answer;
  answer.library = version;
  answer.schema = cluster()->message_fingerprint();
  if (!state_.is_online()) send(answer);
  if (this->heartbeat_interval() != 0) send(wire::watch{this->heartbeat_interval()});
  apply(state_.hello());
  messages_->open();
  return true;
}

template <class Cluster>
template <class Message>
bool managed_worker<Cluster>::received(const Message& message)
{
  if constexpr (requires { this->note(message); }) this->note(message);
  if constexpr (std::is_same_v<Message, wire::close>) control_.closed(message.listener);
  if constexpr (requires { cluster()->connections().received(id(), message); })
    if (!cluster()->connections().received(id(), message)) return false;
  if constexpr (requires { message.first; })
    if (control_.answered(message.count)) cluster()->connections().writable(id());
  return true;
}

template <class Cluster>
bool managed_worker<Cluster>::received(const wire::listen& message)
{
  listen_answer reply = state_.takes_offers()
                            ? cluster()->connections().listen(description_, message)
                            : listen_answer::draining(message.request);
  if (reply.category == wire::error_kind::system)
    report("listen", std::error_code(reply.value, std::system_category()));
  bounded(control_.send_answer(std::move(reply), unheard()));
  return true;
}

template <class Cluster>
bool managed_worker<Cluster>::received(const wire::listening& message)
{
  const auto told = control_.confirmed(message.listener);
  if (!told) return false;
  if (!state_.listen_succeeded().empty()) this->publish_listening(*told);
  apply(state_.ready());
  return true;
}

template <class Cluster>
void managed_worker<Cluster>::apply(const worker_actions& actions)
{
  for (const worker_action action : actions) apply(action);
}

template <class Cluster>
void managed_worker<Cluster>::apply(worker_action action)
{
  if (action == worker_action::fence) return end_.kill_in(self(), how_.fence_grace());
  if (action == worker_action::condemn) return condemn();
  // A worker that outlived its cluster has nobody to tell.
  if (!cluster()) return;
  switch (action) {
  case worker_action::publish_fork: return this->publish_fork();
  case worker_action::publish_online: return this->publish_online(schemas_agree_);
  case worker_action::publish_ready: return this->publish_ready();
  case worker_action::stop_offers: return cluster()->connections().retire(id());
  case worker_action::let_leave: return let_leave();
  case worker_action::let_leave_soon:
    return after_events(this->executor_, [self = self()] { self->let_leave(); });
  case worker_action::finish_channels: return finish_channels();
  case worker_action::send_bye_ack: return send(wire::bye_ack());
  case worker_action::take_back: return cluster()->connections().gone(id());
  case worker_action::remove: return cluster()->removed(id());
  case worker_action::publish_disconnect: return this->publish_disconnect();
  case worker_action::publish_exit: return this->publish_exit();
  // `publish_listening` needs the address and is done where that is known.
  case worker_action::publish_listening:
  case worker_action::condemn:
  case worker_action::fence: break;
  }
}

template <class Cluster>
void managed_worker<Cluster>::let_leave()
{
  if (!cluster() || !state_.reads_frames() || state_.is_dead()) return;
  // As the last one of a listener it gets what waits there first; `last_call_done` follows.
  if (cluster()->connections().leave(id())) send_drain();
}

template <class Cluster>
void managed_worker<Cluster>::send_drain()
{
  if (std::exchange(drain_written_, true)) return;
  // What was sent before arrives; what the worker still has is read, whoever receives it.
  messages_->finish();
  messages_->read_ahead();
  send(wire::drain());
}

// Only our side: what it said before it heard of the end is still on its way.
template <class Cluster>
void managed_worker<Cluster>::finish_channels()
{
  messages_->finish();
  control_.finish();
}

template <class Cluster>
auto managed_worker<Cluster>::unheard()
{
  return [this](std::uint32_t listener) {
    wire::close message;
    message.listener = listener;
    cluster()->connections().received(id(), message);
  };
}

template <class Cluster>
void managed_worker<Cluster>::on_channel_writable()
{
  if (!cluster()) return;
  bounded(control_.send_answers(unheard()));
  cluster()->connections().writable(id());
}

template <class Cluster>
void managed_worker<Cluster>::on_channel_end(std::error_code error)
{
  // One that dies while it writes breaks off in a frame; that is no violation.
  if (error.category() == error_category() && error != error::truncated) violated(error);
  end_channel();
}

template <class Cluster>
void managed_worker<Cluster>::end_channel()
{
  control_.close();
  // What it had sent still comes, before who waits at it learns of the end, and then the cluster.
  messages_->read_to_end();
  this->set_gone();
  apply(state_.channel_ended());
}

template <class Cluster>
void managed_worker<Cluster>::condemn()
{
  report("protocol", violation_);
  messages_->close();
  // It may be dead already. Its control channel is read on until it is.
  std::error_code ignored;
  kill(SIGKILL, ignored);
}

template <class Cluster>
void managed_worker<Cluster>::process_exited(exit_status status)
{
  const auto alive = self();
  // What it had said before its death still counts.
  if (control_.is_open()) control_.read_to_end();
  end_channel();
  end_.cancel();
  const worker_actions actions = state_.exited(status);
  this->exited_.set(std::error_code(), status);
  apply(actions);
}

template <class Cluster>
void managed_worker<Cluster>::disconnect(duration deadline)
{
  if (state_.is_dead()) return;
  end_.terminate_in(self(), deadline, how_.kill_grace());
  apply(state_.drain_requested());
}

template <class Cluster>
void managed_worker<Cluster>::orphan()
{
  this->leave_cluster();
  end_channel();
}

} // namespace cohort::detail
