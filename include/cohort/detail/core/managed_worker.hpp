// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/detail/core/escalation.hpp>
#include <cohort/detail/core/listen_answers.hpp>
#include <cohort/detail/core/worker_core.hpp>
#include <cohort/detail/io/frame_channel.hpp>
#include <cohort/detail/lifecycle/unanswered_offers.hpp>
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
/// `Cluster` has: `connections()` (a `dispatcher`), `publish(event)`, `removed(worker_id)` (it
/// belongs to `workers()` no more) and `ended(const exit_event&)` (all about its end was said).
template <class Cluster>
class managed_worker final : public worker_core,
                             public std::enable_shared_from_this<managed_worker<Cluster>> {
public:
  managed_worker(const asio::any_io_executor& executor, const candidate& description,
      Cluster& cluster, posix::unique_fd control, std::shared_ptr<message_port> messages,
      const settings& how);

  /// Starts the process; with an error nothing of it is left.
  void start(const posix::child_options& options, std::error_code& error);
  /// Publishes that it was started.
  void announce() { apply(state_.started()); }

  bool send_offer(const wire::offer& message, std::span<const int> descriptors) noexcept;
  /// A listener needs this worker no more: see `dispatcher::leave`.
  void last_call_done()
  {
    if (!cluster_->connections().is_member(id())) send_drain();
  }

  void disconnect(duration deadline) override;
  void set_weight(std::uint32_t weight) override
  {
    description_.weight = weight;
    if (cluster_) cluster_->connections().set_weight(id(), weight);
  }

  /// The cluster goes away: the channels close, which ends the worker.
  void orphan();

  // The channel's owner.
  void on_frame(const wire::frame_view& frame, io::received_descriptors& descriptors);
  void on_channel_end(std::error_code error);
  void on_channel_writable();

private:
  // Far more than all that waits for one who is merely slow: answers to its own questions.
  static constexpr std::size_t max_queued_bytes_ = 256 * 1024;

  // What a frame says. False: it contradicts what is known here.
  bool received(const wire::hello&);
  bool received(const wire::listen& message);
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
  template <class Message>
  bool received(const Message& message);

  void count_taken(const wire::frame_view& frame);

  template <class Message>
  void send(const Message& message);
  void send_drain();
  void send_answers();
  void answer_sent(const wire::listen_reply& told);

  void apply(const worker_actions& actions);
  void apply(worker_action action);
  void end_channel();
  void condemn();
  void publish_exit();
  void report(const char* what, std::error_code error);
  void violated(std::error_code why)
  {
    violation_ = why;
    apply(state_.violated());
  }
  void process_exited(exit_status status);

  auto self() { return this->shared_from_this(); }

  Cluster* cluster_;
  io::frame_channel<managed_worker> control_;
  settings how_;
  escalation end_;
  unanswered_offers offers_;
  listen_answers answers_;
  // Why it was condemned, if it was.
  std::error_code violation_ = error::protocol_violation;
  bool drain_written_ = false;
  bool schemas_agree_ = true;
};

// Implementation

template <class Cluster>
managed_worker<Cluster>::managed_worker(const asio::any_io_executor& executor,
    const candidate& description, Cluster& cluster, posix::unique_fd control,
    std::shared_ptr<message_port> messages, const settings& how)
    : worker_core(executor, description, std::move(messages)),
      cluster_(&cluster),
      control_(executor, std::move(control), wire::max_control_payload),
      how_(how),
      end_(executor)
{
}

template <class Cluster>
void managed_worker<Cluster>::start(const posix::child_options& options, std::error_code& error)
{
  // Weak, or this and its process would hold each other for ever when the context ends first.
  process_ = process::start(
      executor_, options,
      [weak = this->weak_from_this()](exit_status status) {
        if (const auto self = weak.lock()) self->process_exited(status);
      },
      error);
  if (error) return messages_->close();
  control_.start(self());
  messages_->on_problem = [weak = this->weak_from_this()](const channel_problem& problem) {
    if (const auto self = weak.lock()) self->report(problem.what.c_str(), problem.code);
  };
  messages_->on_violation = [weak = this->weak_from_this()](std::error_code why) {
    if (const auto self = weak.lock()) self->violated(why);
  };
}

template <class Cluster>
bool managed_worker<Cluster>::send_offer(
    const wire::offer& message, std::span<const int> descriptors) noexcept
{
  if (!offers_.has_room(descriptors.size())) return false;
  // A broken channel takes nothing either; its end is reported on its own.
  std::error_code error;
  if (control_.try_send(wire::control_frame(message).bytes(), descriptors, error)) {
    offers_.offered(descriptors.size());
    return true;
  }
  if (error && error != condition::peer_gone) cluster_->offer_failed(error);
  return false;
}

template <class Cluster>
template <class Message>
void managed_worker<Cluster>::send(const Message& message)
{
  control_.send(wire::control_frame(message).bytes());
  if (control_.queued_bytes() > max_queued_bytes_)
    violated(std::make_error_code(std::errc::no_buffer_space));
}

template <class Cluster>
void managed_worker<Cluster>::on_frame(const wire::frame_view& frame, io::received_descriptors&)
{
  if (!cluster_) return;
  if (!state_.reads_frames()) return count_taken(frame);
  std::error_code error;
  bool fits = true;
  wire::visit_from_worker(
      frame, [&](const auto& message) { fits = received(message); }, error);
  if (error) violation_ = error;
  if (error || !fits) apply(state_.violated());
}

// Of a condemned worker: whom it took before it died is not handed to another one.
template <class Cluster>
void managed_worker<Cluster>::count_taken(const wire::frame_view& frame)
{
  std::error_code ignored;
  wire::visit_from_worker(
      frame,
      [this](const auto& message) {
        if constexpr (std::is_same_v<decltype(message), const wire::taken&>)
          cluster_->connections().received(id(), message);
      },
      ignored);
}

template <class Cluster>
bool managed_worker<Cluster>::received(const wire::hello& hello)
{
  schemas_agree_ = hello.schema == cluster_->message_fingerprint();
  wire::hello answer;
  answer.library = version;
  answer.schema = cluster_->message_fingerprint();
  if (!state_.is_online()) send(answer);
  apply(state_.hello());
  return true;
}

template <class Cluster>
template <class Message>
bool managed_worker<Cluster>::received(const Message& message)
{
  if (const worker_actions actions = state_.frame(); !actions.empty()) {
    apply(actions);
    return true;
  }
  if constexpr (std::is_same_v<Message, wire::load>) description_.load = message.value;
  if (!cluster_->connections().received(id(), message)) return false;
  if constexpr (requires { message.first; })
    if (offers_.answered(message.count)) cluster_->connections().writable(id());
  return true;
}

template <class Cluster>
bool managed_worker<Cluster>::received(const wire::listen& message)
{
  if (const worker_actions actions = state_.frame(); !actions.empty()) {
    apply(actions);
    return true;
  }
  listen_answer reply = state_.takes_offers()
                            ? cluster_->connections().listen(description_, message)
                            : listen_answer::draining(message.request);
  if (reply.category == wire::error_kind::system)
    report("listen", std::error_code(reply.value, std::system_category()));
  answers_.add(std::move(reply));
  send_answers();
  return true;
}

template <class Cluster>
void managed_worker<Cluster>::answer_sent(const wire::listen_reply& told)
{
  if (told.category != wire::error_kind::none || state_.listen_succeeded().empty()) return;
  std::error_code ignored;
  const auto bound = posix::socket_address::from_bytes(told.address.bytes(), ignored);
  listening_.set(std::error_code(), about(describe_listening(bound)));
  cluster_->publish(about(describe_listening(bound)));
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
  if (!cluster_) return;
  switch (action) {
  case worker_action::publish_fork: return cluster_->publish(about(fork_event()));
  case worker_action::publish_online:
    online_.set(std::error_code());
    return cluster_->publish(about(online_event{{}, schemas_agree_}));
  case worker_action::stop_offers: return cluster_->connections().retire(id());
  case worker_action::let_leave:
    // As the last one of a listener it gets what waits there first; `last_call_done` follows.
    if (cluster_->connections().leave(id())) send_drain();
    return;
  case worker_action::send_bye_ack: return send(wire::bye_ack());
  case worker_action::take_back: return cluster_->connections().gone(id());
  case worker_action::remove: return cluster_->removed(id());
  case worker_action::publish_disconnect: return cluster_->publish(about(disconnect_event()));
  case worker_action::publish_exit: return publish_exit();
  // `publish_listening` needs the address and is done where that is known.
  case worker_action::publish_listening:
  case worker_action::condemn:
  case worker_action::fence: break;
  }
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

template <class Cluster>
void managed_worker<Cluster>::send_answers()
{
  const auto sent = [this](const wire::listen_reply& told) { answer_sent(told); };
  answers_.send(control_, sent, [this](std::uint32_t listener) {
    wire::close unheard;
    unheard.listener = listener;
    cluster_->connections().received(id(), unheard);
  });
  if (answers_.too_many()) violated(std::make_error_code(std::errc::no_buffer_space));
}

template <class Cluster>
void managed_worker<Cluster>::on_channel_writable()
{
  if (!cluster_) return;
  send_answers();
  cluster_->connections().writable(id());
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
  set_gone();
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
void managed_worker<Cluster>::report(const char* what, std::error_code error)
{
  if (!cluster_) return;
  error_event event;
  event.code = error;
  event.what = what;
  cluster_->publish(about(event));
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
  exited_.set(std::error_code(), status);
  apply(actions);
}

template <class Cluster>
void managed_worker<Cluster>::publish_exit()
{
  exit_event event = about(exit_event());
  event.status = *state_.status();
  event.voluntary = state_.exited_after_disconnect();
  cluster_->publish(event);
  cluster_->ended(event);
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
  cluster_ = nullptr;
  end_channel();
}

} // namespace cohort::detail
