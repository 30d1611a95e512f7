// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/counters.hpp>
#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/core/dispatcher.hpp>
#include <cohort/detail/core/event_bus.hpp>
#include <cohort/detail/core/launch.hpp>
#include <cohort/detail/core/life_log.hpp>
#include <cohort/detail/core/managed_worker.hpp>
#include <cohort/detail/core/message_relay.hpp>
#include <cohort/detail/core/primary_listens.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/environment.hpp>
#include <cohort/error.hpp>
#include <cohort/event.hpp>
#include <cohort/settings.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace cohort::detail {

/// A handler for `disconnect` after which the cluster never forks again.
template <class Function>
struct last_end {
  explicit last_end(Function f) : function(std::move(f)) {}

  template <class... Args>
  void operator()(Args&&... args)
  {
    function(std::forward<Args>(args)...);
  }

  Function function;
};

template <class Handler>
inline constexpr bool is_last_end = false;
template <class Function>
inline constexpr bool is_last_end<last_end<Function>> = true;

/// The primary: its workers, their listeners, and who wants to know what happens to them.
template <class Policy>
class cluster_core : public std::enable_shared_from_this<cluster_core<Policy>> {
public:
  using duration = std::chrono::steady_clock::duration;
  using clock = std::chrono::steady_clock;
  using worker_type = managed_worker<cluster_core>;
  using worker_pointer = std::shared_ptr<worker_core>;
  using exits = std::vector<exit_event>;
  using connections_type = dispatcher<Policy, cluster_core>;

  cluster_core(
      const asio::any_io_executor& executor, const settings& how, Policy policy, message_side side)
      : executor_(executor),
        settings_(how),
        side_(std::move(side)),
        connections_(executor, *this, std::move(policy)),
        listens_(connections_),
        ended_waiting_(executor),
        idle_waiting_(executor)
  {
    // Now, and not at the first fork: by then another program may have taken its place.
    posix::executable_path();
    if (!life_log_wanted()) return;
    log_ = std::make_shared<life_log>();
    events_.add(log_);
  }

  const asio::any_io_executor& get_executor() const noexcept { return executor_; }
  event_bus& events() noexcept { return events_; }
  /// From the first `setup` or `fork` on with what is not said filled in.
  settings current_settings() const { return shown_ ? with_defaults(settings_) : settings_; }
  connection_counters counters() const { return connections_.counters(); }

  /// Lays `more` over the settings of later forks.
  void setup(const settings& more);

  inheritable_sockets& inheritable() noexcept { return connections_.inheritable(); }

  /// Where the primary listens itself.
  primary_listens<connections_type>& listens() noexcept { return listens_; }

  /// Starts a worker with `more` laid over the settings; `shutting_down` while the cluster ends.
  worker_pointer fork(const settings& more, std::error_code& error);
  worker_pointer fork(const environment& variables, std::error_code& error)
  {
    return fork(settings().env(variables), error);
  }

  worker_pointer find(worker_id id) const;
  std::vector<worker_pointer> workers() const;

  /// Ends all workers; `handler(std::error_code, exits)` when the last process is gone.
  template <class Handler>
  void disconnect(duration deadline, Handler&& handler);

  /// Sends every worker the signal.
  void kill(int signal) noexcept;

  /// Whether no process of this cluster runs.
  bool idle() const noexcept { return workers_.empty() && !other_runs_; }
  /// `handler(std::error_code)` when no process of this cluster runs.
  template <class Handler>
  void wait_idle(Handler&& handler);

  /// Whether a process that is no worker has to end before the cluster is idle.
  void set_other_runs(bool runs)
  {
    if (!(other_runs_ = runs)) report_if_idle();
  }

  /// The handle goes away.
  void close();

  // For the workers.
  connections_type& connections() noexcept { return connections_; }
  const connections_type& connections() const noexcept { return connections_; }
  std::uint64_t message_fingerprint() const noexcept { return side_.fingerprint; }
  void publish(const any_event& event) { events_.publish(event); }
  void removed(worker_id id) { workers_.erase(id); }
  void ended(const exit_event& event);
  /// Passes on what worker `sender` has said to others; whether there is anyone whom it is for.
  bool relay(worker_id sender, const wire::message_view& message)
  {
    return relay_to(workers_, sender, message);
  }

  // For the listeners.
  bool send_offer(
      worker_id id, const wire::offer& message, std::span<const int> descriptors) noexcept;
  bool send_turn(worker_id id, const wire::turn& message) noexcept;
  void last_call_done(worker_id id) noexcept;
  void accept_failed(std::error_code error) noexcept
  {
    failed("accept", error, last_accept_report_);
  }
  void offer_failed(std::error_code error) noexcept { failed("offer", error, last_offer_report_); }
  bool ending() const noexcept { return ending_; }

  /// What replaces all workers at the moment, if anything does.
  std::weak_ptr<void>& reload_under_way() noexcept { return reload_; }

private:
  std::shared_ptr<worker_type> start_worker(const settings& more, posix::start_error& error);
  void publish_settings()
  {
    shown_ = true;
    publish(setup_event{current_settings()});
  }
  void failed(const char* what, std::error_code error, clock::time_point& last) noexcept;
  std::uint32_t free_slot() const;
  void report_if_idle();
  void report_end();

  asio::any_io_executor executor_;
  settings settings_;
  bool shown_ = false;
  message_side side_;
  event_bus events_;
  // Only if somebody asked for it.
  std::shared_ptr<life_log> log_;
  connections_type connections_;
  primary_listens<connections_type> listens_;
  // Those whose process is not reaped yet.
  std::map<worker_id, std::shared_ptr<worker_type>> workers_;
  worker_id last_id_ = 0;
  bool ending_ = false;
  bool other_runs_ = false;
  // Nothing is forked after this end.
  bool last_end_ = false;
  // The handle is gone. An operation that was made before may still be started.
  bool closed_ = false;
  exits exits_;
  wait_queue<exits> ended_waiting_;
  wait_queue<> idle_waiting_;
  std::weak_ptr<void> reload_;
  clock::time_point last_accept_report_{};
  clock::time_point last_offer_report_{};
};

// Implementation

template <class Policy>
void cluster_core<Policy>::setup(const settings& more)
{
  settings_.overlay(more);
  publish_settings();
}

template <class Policy>
auto cluster_core<Policy>::fork(const settings& more, std::error_code& error) -> worker_pointer
{
  if (ending_ || closed_) {
    error = error::shutting_down;
    return nullptr;
  }
  shown_ = true;
  posix::start_error failure;
  auto worker = start_worker(more, failure);
  error = failure.code;
  if (error) {
    if (log_) log_->fork_failed(failure);
    return nullptr;
  }
  last_id_ = worker->id();
  workers_.emplace(worker->id(), worker);
  publish_settings();
  worker->announce();
  return worker;
}

template <class Policy>
auto cluster_core<Policy>::start_worker(const settings& more, posix::start_error& error)
    -> std::shared_ptr<worker_type>
{
  const worker_id id = last_id_ + 1;
  settings how = settings_;
  how.overlay(more);
  worker_launch launch = prepare_launch(id, how, error.code);
  if (error.code) return nullptr;
  candidate description(id);
  description.slot = free_slot();
  description.weight = how.weight();
  description.generation = how.generation();
  auto worker =
      std::make_shared<worker_type>(executor_, description, *this, std::move(launch.control),
          side_.open(executor_, std::move(launch.messages), how.messages(), id), how);
  worker->start(launch.options, error);
  worker->keep_pipes(std::move(launch.pipes));
  return worker;
}

template <class Policy>
std::uint32_t cluster_core<Policy>::free_slot() const
{
  std::vector<bool> taken(workers_.size() + 1);
  for (const auto& [id, worker] : workers_) {
    const std::uint32_t slot = worker->description().slot;
    if (slot < taken.size()) taken[slot] = true;
  }
  return static_cast<std::uint32_t>(std::ranges::find(taken, false) - taken.begin());
}

template <class Policy>
auto cluster_core<Policy>::find(worker_id id) const -> worker_pointer
{
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : found->second;
}

template <class Policy>
auto cluster_core<Policy>::workers() const -> std::vector<worker_pointer>
{
  std::vector<worker_pointer> all;
  all.reserve(workers_.size());
  for (const auto& [id, worker] : workers_) all.push_back(worker);
  return all;
}

template <class Policy>
template <class Handler>
void cluster_core<Policy>::disconnect(duration deadline, Handler&& handler)
{
  if constexpr (is_last_end<std::remove_cvref_t<Handler>>) {
    last_end_ = true;
    // Nobody will come for whom anything could be held.
    listens_.stop_all();
  }
  ended_waiting_.add(std::forward<Handler>(handler));
  ending_ = true;
  for (const auto& [id, worker] : std::map(workers_)) worker->disconnect(deadline);
  report_if_idle();
}

template <class Policy>
template <class Handler>
void cluster_core<Policy>::wait_idle(Handler&& handler)
{
  idle_waiting_.add(std::forward<Handler>(handler));
  report_if_idle();
}

template <class Policy>
void cluster_core<Policy>::kill(int signal) noexcept
{
  for (const auto& [id, worker] : workers_) {
    // One that has just ended needs no signal.
    std::error_code ignored;
    worker->kill(signal, ignored);
  }
}

template <class Policy>
void cluster_core<Policy>::ended(const exit_event& event)
{
  if (ending_) exits_.push_back(event);
  report_if_idle();
}

template <class Policy>
void cluster_core<Policy>::report_if_idle()
{
  if (!idle()) return;
  idle_waiting_.complete_all(std::error_code());
  if (!ending_) return;
  // Who is about to learn of the last exits, and would replace those workers, has to find the
  // cluster ending still.
  asio::post(executor_, [weak = this->weak_from_this()] {
    if (const auto self = weak.lock()) self->report_end();
  });
}

template <class Policy>
void cluster_core<Policy>::report_end()
{
  if (!idle() || !std::exchange(ending_, last_end_)) return;
  connections_.close_unused();
  ended_waiting_.complete_all(std::error_code(), std::exchange(exits_, {}));
}

template <class Policy>
void cluster_core<Policy>::close()
{
  closed_ = true;
  connections_.close();
  for (const auto& [id, worker] : std::exchange(workers_, {})) worker->orphan();
  events_.close();
  ended_waiting_.complete_all(asio::error::operation_aborted, {});
  idle_waiting_.complete_all(asio::error::operation_aborted);
}

template <class Policy>
bool cluster_core<Policy>::send_offer(
    worker_id id, const wire::offer& message, std::span<const int> descriptors) noexcept
{
  const auto found = workers_.find(id);
  return found != workers_.end() && found->second->send_offer(message, descriptors);
}

template <class Policy>
bool cluster_core<Policy>::send_turn(worker_id id, const wire::turn& message) noexcept
{
  const auto found = workers_.find(id);
  return found != workers_.end() && found->second->send_turn(message);
}

template <class Policy>
void cluster_core<Policy>::last_call_done(worker_id id) noexcept
{
  const auto found = workers_.find(id);
  if (found != workers_.end()) found->second->last_call_done();
}

template <class Policy>
void cluster_core<Policy>::failed(
    const char* what, std::error_code error, clock::time_point& last) noexcept
{
  // A full descriptor table fails every attempt; one report a second tells enough.
  const clock::time_point now = clock::now();
  if (last != clock::time_point() && now - last < std::chrono::seconds(1)) return;
  last = now;
  error_event event;
  event.code = error;
  event.what = what;
  publish(event);
}

} // namespace cohort::detail
