// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listening_place.hpp>
#include <cohort/detail/core/worker_core.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/error.hpp>
#include <cohort/event.hpp>
#include <cohort/send_status.hpp>
#include <cohort/worker_id.hpp>

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// What is said about a worker: to those who wait at it first, then to the cluster's subscribers.
///
/// `Cluster` has `publish(event)`, `ended(const exit_event&)` (all about its end was said), and
/// `relay(sender, message)`, which passes on what a worker has said to others.
template <class Cluster>
class announced_worker : public worker_core {
public:
  /// Passes on what another worker has said to it. What is lost is told: once, until it gets
  /// something again. False: it takes nothing any more.
  bool pass_on(const wire::message_view& message, worker_id sender);

protected:
  announced_worker(const asio::any_io_executor& executor, const candidate& description,
      Cluster& cluster, std::shared_ptr<message_port> messages)
      : worker_core(executor, description, std::move(messages)),
        cluster_(&cluster)
  {
  }

  /// Null once it has gone away: nobody is told then, but who waits at the worker.
  Cluster* cluster() const noexcept { return cluster_; }
  void leave_cluster() noexcept { cluster_ = nullptr; }

  void publish_fork() { publish(fork_event()); }
  void publish_online(bool schemas_agree);
  void publish_listening(const listening_place& where);
  void publish_ready();
  // What it reports of its work.
  void note(const wire::load& message) noexcept { description_.load = message.value; }
  // Whoever receives here: others wait for what it says.
  void note(const wire::relays&) { messages_->read_relays(); }
  /// Who waits at the worker was told by `set_gone`.
  void publish_disconnect() { publish(disconnect_event()); }
  void publish_exit();

  /// Something failed, and the cluster goes on.
  void report(const char* what, std::error_code error);

  void note(const wire::reload& message)
  {
    reload_request_event event;
    event.group = message.group.text().empty() ? group_ : message.group.text();
    publish(std::move(event));
  }
  void note(const wire::value& message)
  {
    // A worker does not say more of them than it may.
    const bool is_known = values_.contains(message.name.text());
    if (message.text.text().empty()) values_.erase(message.name.text());
    else if (is_known || values_.size() < wire::max_values)
      values_.insert_or_assign(message.name.text(), message.text.text());
  }

  template <class Event>
  void publish(Event event)
  {
    if (cluster_) cluster_->publish(about(std::move(event)));
  }

private:
  void relay(const wire::message_view& message);

  Cluster* cluster_;
  // What others have said to it was lost, and what it said reached nobody, the last time.
  bool loses_ = false;
  bool unheard_ = false;
};

// Implementation

template <class Cluster>
void announced_worker<Cluster>::publish_online(bool schemas_agree)
{
  messages_->on_relay = [weak = weak_from_this()](const wire::message_view& message) {
    if (const auto self = weak.lock()) static_cast<announced_worker&>(*self).relay(message);
  };
  online_.set(std::error_code());
  online_event event;
  event.schemas_agree = schemas_agree;
  publish(event);
}

template <class Cluster>
void announced_worker<Cluster>::publish_listening(const listening_place& where)
{
  const listening_event event = describe_listening(where);
  listening_.set(std::error_code(), about(event));
  publish(event);
}

template <class Cluster>
void announced_worker<Cluster>::publish_ready()
{
  ready_.set(std::error_code());
  publish(ready_event());
}

template <class Cluster>
bool announced_worker<Cluster>::pass_on(const wire::message_view& message, worker_id sender)
{
  const send_status status = messages_->pass_on(message, sender);
  if (status == send_status::not_connected) return false;
  if (is_sent(status)) loses_ = false;
  else if (!std::exchange(loses_, true))
    report(("a message from worker " + std::to_string(sender)).c_str(), to_error(status));
  return true;
}

template <class Cluster>
void announced_worker<Cluster>::relay(const wire::message_view& message)
{
  if (!cluster_) return;
  const bool to_all = message.sequence == 0 && message.group.empty();
  if (cluster_->relay(id(), message) || to_all) {
    unheard_ = false;
  } else if (!std::exchange(unheard_, true)) {
    std::string what = message.group.empty() ? "worker " + std::to_string(message.sequence)
                                             : "group " + std::string(message.group);
    // It is the worker's word.
    std::ranges::replace_if(
        what, [](unsigned char each) { return each < ' ' || each == 127; }, '?');
    report(("a message to " + what).c_str(), error::worker_gone);
  }
}

template <class Cluster>
void announced_worker<Cluster>::publish_exit()
{
  if (!cluster_) return;
  exit_event event = about(exit_event());
  event.status = *state_.status();
  event.voluntary = state_.exited_after_disconnect();
  cluster_->publish(event);
  cluster_->ended(event);
}

template <class Cluster>
void announced_worker<Cluster>::report(const char* what, std::error_code error)
{
  error_event event;
  event.code = error;
  event.what = what;
  publish(std::move(event));
}

} // namespace cohort::detail
