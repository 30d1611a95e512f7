// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/cluster.hpp>
#include <cohort/detail/async/after_events.hpp>
#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/async/wait_operation.hpp>
#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/core/event_bus.hpp>
#include <cohort/detail/core/listener_figures.hpp>
#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/handle/service_sockets.hpp>
#include <cohort/detail/io/signals.hpp>
#include <cohort/detail/lifecycle/signal_orders.hpp>
#include <cohort/detail/posix/terminal.hpp>
#include <cohort/detail/supervision/group_listeners.hpp>
#include <cohort/detail/supervision/group_orders.hpp>
#include <cohort/detail/supervision/group_table.hpp>
#include <cohort/detail/supervision/measure_groups.hpp>
#include <cohort/detail/supervision/status_text.hpp>
#include <cohort/detail/supervision/tenure.hpp>
#include <cohort/error.hpp>
#include <cohort/event.hpp>
#include <cohort/group.hpp>
#include <cohort/settings.hpp>
#include <cohort/supervisor_options.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cohort::detail {

/// A cluster and the groups that are kept up in it.
template <class Policy, class Protocol>
class supervisor_core final
    : public subscriber,
      public std::enable_shared_from_this<supervisor_core<Policy, Protocol>>,
      private group_host,
      private wait_list_owner {
public:
  using cluster_type = cohort::cluster<Policy, Protocol>;
  using duration = std::chrono::steady_clock::duration;
  using group_pointer = group_table::group_pointer;

  supervisor_core(
      const asio::any_io_executor& executor, const supervisor_options& options, Policy policy)
      : options_(options),
        cluster_(std::in_place, executor, options.settings(), std::move(policy)),
        signals_(executor),
        tenure_(*this, executor, options, groups_, *this),
        running_(executor, this)
  {
  }

  /// Once, after it was made.
  void watch()
  {
    core().events().add(this->shared_from_this());
    tenure_.watch(core().events());
  }

  cluster_type& cluster() noexcept { return *cluster_; }
  const asio::any_io_executor& get_executor() const noexcept { return running_.get_executor(); }

  /// While it runs the group's listeners are opened at once, and its workers started.
  void add(const group& description, std::error_code& error);
  const group_table& groups() const noexcept { return groups_; }
  group_table& groups() noexcept { return groups_; }
  /// Lets its workers leave; `handler(std::error_code)` when there is no such group any more.
  template <class Handler>
  void remove(group_pointer group, duration deadline, Handler&& handler);

  /// See `detail::status_text`, of all groups.
  std::string status() const
  {
    std::string all;
    for (const group_pointer& each : groups_.all())
      all += status_text(*each, find_workers(cluster_access::core(*cluster_), groups_, *each));
    return all;
  }
  void status_failed(std::error_code code) { tenure_.report(code, "status file"); }

  /// Starts everything; `handler(std::error_code)` when all groups are over.
  template <class Handler>
  void run(Handler&& handler);

  /// What other programs see of this one, and how another one takes its place.
  detail::tenure<supervisor_core>& tenure() noexcept { return tenure_; }

  /// Lets all workers leave.
  void stop(duration deadline);
  /// The same, and `handler` as the cluster's `disconnect` completes it.
  template <class Handler>
  void disconnect(duration deadline, Handler&& handler)
  {
    stop(deadline);
    if (!closed_) return core().disconnect(deadline, std::forward<Handler>(handler));
    complete_later<std::vector<exit_event>>(get_executor(), std::forward<Handler>(handler),
        std::error_code(), std::vector<exit_event>());
  }

  /// Sends all workers the signal; SIGKILL goes to a new program as well that does not count yet.
  void kill(int signal) noexcept
  {
    if (signal == SIGKILL) tenure_.kill();
    core().kill(signal);
  }

  /// The handle goes away. An operation that was made before may still be started.
  void abandon();

  // What happens in the cluster.
  void deliver(const any_event& event) override;
  void close() override {}

private:
  using fact =
      std::variant<online_event, ready_event, retire_event, reload_request_event, exit_event>;

  auto& core() noexcept { return cluster_access::core(*cluster_); }

  worker_pointer fork(const settings& how, std::error_code& error) override;
  worker_pointer find(worker_id worker) override { return core().find(worker); }
  void publish(const any_event& event) override { core().publish(event); }
  void group_over() override;
  void group_gave_up() override;
  group_metrics measure(const supervised_group& group) const override
  {
    return measure_group(cluster_access::core(*cluster_), groups_, group);
  }
  std::map<worker_id, std::uint64_t> live_connections() const override
  {
    return detail::live_connections(cluster_access::core(*cluster_).connections());
  }
  void wait_cancelled() override;

  // For the tenure.
  friend detail::tenure<supervisor_core>;
  auto& connections() noexcept { return core().connections(); }
  void set_upgrades(bool value) { core().set_other_runs(value); }
  bool serves() const noexcept { return runs_ && !stopping_; }

  void see(const fact& what);
  void see_request(const reload_request_event& event);
  void act_on(int signal);
  void finish_if_over();
  void finish();

  supervisor_options options_;
  // Until the handle goes away.
  std::optional<cluster_type> cluster_;
  group_table groups_;
  // What has happened, to be seen when the cluster is done with it.
  std::deque<fact> facts_;
  io::signals signals_;
  detail::tenure<supervisor_core> tenure_;
  wait_queue<> running_;
  std::random_device random_;
  bool runs_ = false;
  bool stopping_ = false;
  signal_orders orders_;
  bool closed_ = false;
  std::error_code result_;
};

// Implementation

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::add(const group& description, std::error_code& error)
{
  if (groups_.look_up(description.name()))
    throw std::invalid_argument("cohort: a second group " + description.name());
  if (stopping_) error = error::shutting_down;
  if (!error && runs_) open_listeners(*cluster_, description, error);
  if (error) return;
  const unsigned count =
      description.workers() != 0 ? description.workers() : available_parallelism();
  group_host& host = *this;
  const auto added = std::make_shared<supervised_group>(
      cluster_->get_executor(), description, count, host, random_());
  groups_.add(added);
  if (runs_) added->begin();
}

template <class Policy, class Protocol>
template <class Handler>
void supervisor_core<Policy, Protocol>::remove(
    group_pointer group, duration deadline, Handler&& handler)
{
  // First, as in `stop`; another group may have them the second time.
  if (runs_ && !group->is_leaving()) close_listeners(*cluster_, group->description());
  group->remove(deadline, std::forward<Handler>(handler));
  group_over();
}

template <class Policy, class Protocol>
template <class Handler>
void supervisor_core<Policy, Protocol>::run(Handler&& handler)
{
  std::error_code error = stopping_ ? error::shutting_down : std::error_code();
  if (runs_) error = error::busy;
  if (!error) tenure_.claim(error);
  if (!error) open_all_listeners(*cluster_, groups_.all(), error);
  // What no group has named is for nobody.
  if (!error) service_sockets::of_this_process().close_unclaimed(core().inheritable().allowed());
  if (error && !runs_) tenure_.disclaim();
  if (error) return complete_later(get_executor(), std::forward<Handler>(handler), error);
  running_.add(std::forward<Handler>(handler));
  runs_ = true;
  if (options_.handle_signals())
    signals_.begin({SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH},
        [self = this->shared_from_this()](int signal) { self->act_on(signal); });
  tenure_.begin();
  for (const group_pointer& each : std::vector(groups_.all())) each->begin();
  tenure_.look();
  groups_.all().empty() ? finish() : finish_if_over();
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::stop(duration deadline)
{
  stopping_ = true;
  tenure_.stopping();
  // First: the last worker of a listener that nobody else holds gets all who wait there.
  if (runs_)
    for (const group_pointer& each : groups_.all()) close_listeners(*cluster_, each->description());
  for (const group_pointer& each : std::vector(groups_.all())) each->stop(deadline);
  finish_if_over();
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::abandon()
{
  closed_ = true;
  stopping_ = true;
  runs_ = false;
  signals_.end();
  tenure_.abandon();
  for (const group_pointer& each : groups_.all()) each->close();
  running_.complete_all(asio::error::operation_aborted);
  cluster_.reset();
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::deliver(const any_event& event)
{
  const auto note = [this](const auto& each) {
    using event_type = std::decay_t<decltype(each)>;
    if constexpr (std::is_constructible_v<fact, const event_type&>) {
      facts_.emplace_back(each);
      if (facts_.size() != 1) return;
      asio::post(cluster_->get_executor(), [self = this->shared_from_this()] {
        for (; !self->facts_.empty(); self->facts_.pop_front()) self->see(self->facts_.front());
      });
    }
  };
  std::visit(note, event);
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::see(const fact& what)
{
  if (closed_) return;
  const auto tell = [this](const auto& event) {
    using event_type = std::decay_t<decltype(event)>;
    supervised_group* const group = groups_.owner(event.worker);
    if (!group) return;
    if constexpr (std::is_same_v<event_type, online_event>) group->online(event.worker);
    else if constexpr (std::is_same_v<event_type, ready_event>) group->ready(event.worker);
    else if constexpr (std::is_same_v<event_type, retire_event>)
      group->retire(event.worker, event.reason);
    else if constexpr (std::is_same_v<event_type, reload_request_event>) see_request(event);
    else {
      groups_.ended(event.worker);
      group->exited(event);
      tenure_.worker_ended();
    }
  };
  std::visit(tell, what);
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::see_request(const reload_request_event& event)
{
  supervised_group* const asked = groups_.look_up(event.group);
  if (asked && asked->description().reload_on_request())
    asked->reload([](std::error_code, const reload_result&) {}, options_.reload());
}

template <class Policy, class Protocol>
auto supervisor_core<Policy, Protocol>::fork(const settings& how, std::error_code& error)
    -> worker_pointer
{
  auto worker = core().fork(how, error);
  if (worker) groups_.owns(*groups_.at(how.group()), worker->id());
  return worker;
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::group_over()
{
  const auto has_left = [this](const supervised_group& each) {
    return each.is_leaving() && (!runs_ || each.state().over());
  };
  for (const group_pointer& each : groups_.take_if(has_left)) {
    each->removed();
    // It may be what calls this.
    asio::post(running_.get_executor(), [each] {});
  }
  finish_if_over();
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::group_gave_up()
{
  if (!options_.end_when_given_up()) return;
  const auto end = [self = this->shared_from_this()] {
    if (self->closed_ || self->stopping_) return;
    self->result_ = error::gave_up;
    self->stop(self->options_.drain_deadline());
  };
  // A signal to all processes may have ended the workers, and is acted on first.
  after_events(cluster_->get_executor(), end);
}

// Nobody waits for `run` any more.
template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::wait_cancelled()
{
  if (running_.empty() && runs_ && !closed_) stop(options_.drain_deadline());
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::act_on(int signal)
{
  publish(signal_event{signal});
  const signal_order order = orders_.next(
      signal, {std::chrono::steady_clock::now(), posix::has_terminal(), tenure_.replaces()});
  if (pass_order(order, groups_, options_.reload())) {
    if (order == signal_order::reload) tenure_.reload_asked();
    return;
  }
  if (order == signal_order::upgrade) return tenure_.upgrade_by_signal();
  if (order == signal_order::kill) {
    // Should a worker resist even that, this program can still be ended as any other.
    signals_.end();
    return kill(SIGKILL);
  }
  // The program may have begun already: `cohort::run` sees the same signal.
  if (!stopping_) stop(options_.drain_deadline());
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::finish_if_over()
{
  const auto is_over = [](const group_pointer& each) { return each->state().over(); };
  // When the last one was taken away, others may be added.
  if (!stopping_ && groups_.all().empty()) return;
  // Nothing of an upgrade is left behind.
  if (runs_ && !tenure_.upgrades() && std::ranges::all_of(groups_.all(), is_over)) finish();
}

template <class Policy, class Protocol>
void supervisor_core<Policy, Protocol>::finish()
{
  runs_ = false;
  stopping_ = true;
  signals_.end();
  tenure_.end();
  for (const group_pointer& each : groups_.all()) {
    close_listeners(*cluster_, each->description());
    // Nobody would see to workers that it starts for whatever it is told now.
    each->stop(options_.drain_deadline());
  }
  running_.complete_all(result_);
}

} // namespace cohort::detail
