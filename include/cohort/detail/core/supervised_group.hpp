// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/async/wait_operation.hpp>
#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/core/group_host.hpp>
#include <cohort/detail/core/group_scaler.hpp>
#include <cohort/detail/core/group_tally.hpp>
#include <cohort/detail/core/weigh.hpp>
#include <cohort/detail/core/worker_core.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/lifecycle/group_size.hpp>
#include <cohort/detail/lifecycle/group_state.hpp>
#include <cohort/error.hpp>
#include <cohort/event.hpp>
#include <cohort/group.hpp>
#include <cohort/reload_options.hpp>
#include <cohort/reload_result.hpp>
#include <cohort/settings.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// A group of workers that is kept up: carries out what its `group_state` demands.
///
/// The host outlives it, or calls `close`.
class supervised_group final : public std::enable_shared_from_this<supervised_group>,
                               private wait_list_owner {
public:
  using clock = std::chrono::steady_clock;
  using duration = clock::duration;

  supervised_group(const asio::any_io_executor& executor, const group& description, unsigned count,
      group_host& host, std::uint32_t seed);

  const group& description() const noexcept { return description_; }
  const group_state& state() const noexcept { return state_; }
  /// What has happened to its workers.
  const group_tally& tally() const noexcept { return tally_; }
  group_tally& tally() noexcept { return tally_; }

  /// Starts its workers.
  void begin();
  /// The worker runs already, and is one of its own from now on; before `begin`.
  void adopt(worker_id worker, bool ready)
  {
    if (const auto found = host_->find(worker)) tally_.runs(found);
    state_.adopt(worker, ready, clock::now());
  }

  // What happens to its workers.
  void online(worker_id worker);
  void ready(worker_id worker);
  void retire(worker_id worker, retire_reason why);
  void exited(const exit_event& event);

  /// How many workers there are to be from now on.
  void resize(unsigned count)
  {
    size_.wake();
    set_count(count);
  }
  /// One more or one fewer, within the bounds for that; nothing while it rests.
  void grow() { step(size_.grown(state_.count())); }
  void shrink() { step(size_.shrunk(state_.count())); }
  /// Lets all workers leave, until it is woken, given a number, or ended.
  void rest();
  bool rests() const noexcept { return size_.rests(); }
  /// Has as many workers as before it rested; false when it does not rest.
  bool wake();
  /// Has as many as its rule for that says.
  void scale();
  /// Tries again, if it has given up.
  void resume()
  {
    state_.resume(clock::now());
    act();
  }
  /// Lets all workers leave, and starts no more.
  void stop(duration deadline);
  /// The same, as it is to be taken away; `handler(std::error_code)` when that is done.
  template <class Handler>
  void remove(duration deadline, Handler&& handler);
  /// Whether it is to be.
  bool is_leaving() const noexcept { return is_leaving_; }
  /// It was taken away, and its host need not outlive it any more.
  void removed();

  /// Replaces all workers; `handler(std::error_code, reload_result)` when the others are gone.
  template <class Handler>
  void reload(Handler&& handler, const reload_options& how);

  /// The host goes away.
  void close();

private:
  void wait_cancelled() override;

  void step(unsigned count)
  {
    if (!rests() && count != state_.count()) set_count(count);
  }
  void set_count(unsigned count);

  void act();
  void tell_ready();
  void carry_out(const group_action& action);
  void start(const group_action& order);
  void drain(worker_id worker);
  void kill(worker_id worker);
  void give_up(const group_action& said);
  void reload_over(const group_action& said);

  group description_;
  asio::any_io_executor executor_;
  group_host* host_;
  group_state state_;
  group_size size_;
  group_tally tally_;
  group_scaler scaler_;
  // How workers of each generation are started: those that run, and those of a reload.
  std::map<std::uint32_t, settings> versions_;
  std::uint32_t last_generation_;
  duration drain_deadline_;
  // Of the reload that runs: what its result will say.
  reload_result result_;
  wait_queue<reload_result> reloading_;
  // What was told last.
  unsigned ready_ = 0;
  bool is_leaving_ = false;
  wait_queue<> leaving_;
  io::alarm alarm_;
};

// Implementation

inline supervised_group::supervised_group(const asio::any_io_executor& executor,
    const group& description, unsigned count, group_host& host, std::uint32_t seed)
    : description_(description),
      executor_(executor),
      host_(&host),
      state_(description.restarts(), count, description.serial(), seed,
          description.settings().generation()),
      size_(group_size::of(description, count)),
      scaler_(executor, description.autoscale()),
      last_generation_(state_.generation()),
      drain_deadline_(description.drain_deadline()),
      reloading_(executor, this),
      leaving_(executor),
      alarm_(executor)
{
  versions_.emplace(state_.generation(), description.settings());
}

inline void supervised_group::begin()
{
  state_.begin(clock::now());
  scaler_.begin(shared_from_this());
  act();
}

inline void supervised_group::online(worker_id worker)
{
  if (description_.ready_when() != readiness::online) return;
  if (const auto found = host_ ? host_->find(worker) : nullptr) found->serves();
  ready(worker);
}

inline void supervised_group::ready(worker_id worker)
{
  state_.ready(worker, clock::now());
  act();
}

inline void supervised_group::retire(worker_id worker, retire_reason why)
{
  tally_.retires(worker, why);
  state_.retire(worker, clock::now());
  act();
}

inline void supervised_group::exited(const exit_event& event)
{
  const worker_end how = judge(event.status, event.voluntary, description_.restarts());
  const bool replaced = state_.reload_state().replaces();
  tally_.ended(event.worker, state_, how);
  state_.exited(event.worker, how, clock::now());
  if (replaced && state_.reload_state().culprit() == event.worker) result_.status = event.status;
  act();
}

inline void supervised_group::rest()
{
  if (state_.stopping()) return;
  size_.rest(state_.count());
  set_count(0);
}

inline bool supervised_group::wake()
{
  const auto count = size_.wake();
  if (count) set_count(*count);
  return count.has_value();
}

inline void supervised_group::scale()
{
  if (rests()) return scaler_.forget();
  step(scaler_.decide(host_->measure(*this)));
}

inline void supervised_group::set_count(unsigned count)
{
  if (host_ && count < state_.count()) weigh(state_, *host_);
  state_.resize(count, clock::now());
  act();
}

inline void supervised_group::stop(duration deadline)
{
  drain_deadline_ = deadline;
  // A reload may have given those on their way out more time.
  if (host_)
    for (const auto& [worker, generation] : state_.roster().leaving()) drain(worker);
  state_.stop(clock::now());
  act();
}

template <class Handler>
void supervised_group::remove(duration deadline, Handler&& handler)
{
  // An operation that was made before may be started late.
  const std::error_code none = is_leaving_ ? std::error_code() : asio::error::operation_aborted;
  if (!host_) return complete_later(executor_, std::forward<Handler>(handler), none);
  is_leaving_ = true;
  leaving_.add(std::forward<Handler>(handler));
  stop(deadline);
}

inline void supervised_group::removed()
{
  leaving_.complete_all(std::error_code());
  close();
}

template <class Handler>
void supervised_group::reload(Handler&& handler, const reload_options& how)
{
  const auto fail = [&](std::error_code error) {
    complete_later<reload_result>(
        executor_, std::forward<Handler>(handler), error, reload_result());
  };
  if (!host_ || state_.stopping()) return fail(error::shutting_down);
  if (state_.reload_state().runs() && how.when_running() == second_reload::joins)
    return reloading_.add(std::forward<Handler>(handler));
  settings version = versions_.at(state_.generation());
  version.overlay(how.settings());
  const std::uint32_t generation = last_generation_ + 1;
  if (!state_.reload(generation, how, clock::now())) return fail(error::busy);
  last_generation_ = generation;
  versions_.insert_or_assign(generation, std::move(version));
  drain_deadline_ = how.drain_deadline();
  result_ = reload_result();
  reloading_.add(std::forward<Handler>(handler));
  act();
}

// Nobody waits for the reload any more.
inline void supervised_group::wait_cancelled()
{
  if (!host_ || !reloading_.empty()) return;
  state_.abort_reload(clock::now());
  act();
}

inline void supervised_group::close()
{
  host_ = nullptr;
  tally_.clear();
  scaler_.end();
  alarm_.call_off();
  reloading_.complete_all(asio::error::operation_aborted);
  leaving_.complete_all(asio::error::operation_aborted);
}

inline void supervised_group::act()
{
  while (host_) {
    const auto action = state_.next();
    if (!action) break;
    carry_out(*action);
  }
  if (host_) tell_ready();
  if (!host_ || state_.stopping()) scaler_.end();
  const auto next = host_ ? state_.wake_at() : std::nullopt;
  if (!next) return alarm_.call_off();
  alarm_.set(*next, [self = shared_from_this()] {
    self->state_.tick(clock::now());
    self->act();
  });
}

inline void supervised_group::tell_ready()
{
  const unsigned ready = state_.roster().ready(), before = std::exchange(ready_, ready);
  const unsigned count = state_.stopping() ? 0 : state_.count();
  if (ready != before) host_->publish(ready_count_event{description_.name(), ready, before, count});
}

inline void supervised_group::carry_out(const group_action& action)
{
  switch (action.what) {
  case group_action::kind::start: return start(action);
  case group_action::kind::drain: return drain(action.worker);
  case group_action::kind::kill: return kill(action.worker);
  case group_action::kind::give_up: return give_up(action);
  case group_action::kind::resume: return host_->publish(resumed_event{description_.name()});
  case group_action::kind::reload_over: return reload_over(action);
  case group_action::kind::over: return host_->group_over();
  }
}

inline void supervised_group::start(const group_action& order)
{
  const bool reloads = state_.reload_state().replaces();
  settings how = versions_.at(order.generation);
  // Whatever settings it was given: by this name the host knows whose the worker is.
  how.generation(order.generation).group(description_.name());
  std::error_code error;
  const auto worker = host_->fork(how, error);
  // Before what follows from it: that may be the end of the reload.
  if (error && reloads) result_.error = error;
  if (error == error::shutting_down) state_.stop(clock::now());
  else if (error) state_.start_failed(order.place, clock::now());
  if (error) return void(++tally_.own().start_failures);
  tally_.started(worker);
  state_.started(order.place, worker->id(), clock::now());
  if (description_.ready_when() != readiness::started) return;
  worker->serves();
  state_.ready(worker->id(), clock::now());
}

inline void supervised_group::drain(worker_id worker)
{
  const auto found = host_->find(worker);
  if (!found) return;
  // One that has not said hello would not hear of it. It may have ended.
  std::error_code ignored;
  if (!found->state().is_online()) found->kill(SIGTERM, ignored);
  found->disconnect(drain_deadline_);
}

inline void supervised_group::kill(worker_id worker)
{
  const auto found = host_->find(worker);
  std::error_code ignored;
  if (found) found->kill(SIGKILL, ignored);
}

inline void supervised_group::give_up(const group_action& said)
{
  ++tally_.own().gave_up;
  gave_up_event event{description_.name(), said.reason, {}};
  if (said.until) event.pause = description_.restarts().pause();
  host_->publish(event);
  host_->group_gave_up();
}

inline void supervised_group::reload_over(const group_action& said)
{
  tally_.reloaded(said.outcome == reload_outcome::succeeded);
  result_.outcome = said.outcome;
  result_.worker = said.worker;
  result_.generation = state_.generation();
  // At the end of all, that of the end is in force.
  if (!state_.stopping()) drain_deadline_ = description_.drain_deadline();
  std::erase_if(versions_, [this](const auto& each) { return each.first != state_.generation(); });
  host_->publish(reload_event{description_.name(), result_});
  const bool stopped = said.outcome == reload_outcome::stopped;
  const std::error_code error = said.outcome == reload_outcome::succeeded ? std::error_code()
                                : stopped ? make_error_code(error::shutting_down)
                                          : make_error_code(error::reload_failed);
  reloading_.complete_all(error, result_);
}

} // namespace cohort::detail
