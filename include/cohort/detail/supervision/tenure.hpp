// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/core/event_bus.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/core/predecessor.hpp>
#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/handle/service_sockets.hpp>
#include <cohort/detail/lifecycle/group_place.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/supervision/group_table.hpp>
#include <cohort/detail/supervision/presence.hpp>
#include <cohort/detail/supervision/succession.hpp>
#include <cohort/detail/supervision/successor.hpp>
#include <cohort/error.hpp>
#include <cohort/event.hpp>
#include <cohort/supervisor_options.hpp>
#include <cohort/totals.hpp>
#include <cohort/upgrade_options.hpp>
#include <cohort/upgrade_result.hpp>

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace cohort::detail {

/// The time in which this process is the one that serves: how it takes the place of the one before
/// it, what it has as the only one meanwhile, and how another one takes its place.
///
/// `Owner` has, beside what a `presence` needs: `serves()`, whether it runs and is not to end;
/// `connections()`, a `dispatcher`; `stop(duration)` and `finish_if_over()`, after which its end
/// may follow; `publish(any_event)`; `cluster()` and `groups()`.
template <class Owner>
class tenure final : private upgrade_host, private succession_host {
public:
  using duration = std::chrono::steady_clock::duration;

  tenure(Owner& owner, const asio::any_io_executor& executor, const supervisor_options& options,
      const group_table& groups, group_host& host)
      : owner_(owner),
        executor_(executor),
        by_signal_(options.upgrade()),
        groups_(groups),
        presence_(executor, options, groups, host),
        succession_(std::make_shared<succession>(executor, static_cast<succession_host&>(*this)))
  {
    // Before the program asks what it has inherited, and before anything is executed.
    predecessor::of_this_process();
    // Where a relative path counts from.
    posix::started_path();
  }

  void watch(event_bus& events)
  {
    events.add(presence_.events());
    events.add(succession_);
  }

  /// Before anything else; `disclaim` follows when something else fails.
  void claim(std::error_code& error);
  void disclaim() noexcept { presence_.disclaim(); }
  /// The owner begins to serve. One that replaces another process is nobody for others as yet.
  void begin()
  {
    if (!replaces_) presence_.begin(owner_.shared_from_this());
  }
  /// Its groups have begun: they may all be ready.
  void look()
  {
    if (replaces_) succession_->begin();
  }

  void reload_asked() { presence_.reload_asked(); }
  void stopping();
  void end();
  void abandon();

  /// Starts a program that is to replace this one; `handler(std::error_code, upgrade_result)`.
  template <class Handler>
  void upgrade(const upgrade_options& how, Handler&& handler);
  /// The same as the options say, where nobody waits for the result.
  void upgrade_by_signal();
  bool upgrades() const noexcept { return successor_ != nullptr; }

private:
  void hand_over(pid_t successor) override;
  void upgrade_over(const upgrade_result& result) override;
  bool all_ready() const override;
  void take_over() override;
  void keep(posix::unique_fd channel) override { legacy_ = std::move(channel); }
  void inherit(std::string_view legacy) override;
  void leave_totals();
  void report(std::error_code error, std::string what);

  Owner& owner_;
  asio::any_io_executor executor_;
  upgrade_options by_signal_;
  const group_table& groups_;
  presence presence_;
  std::shared_ptr<succession> succession_;
  // The upgrade that is under way.
  std::shared_ptr<successor> successor_;
  duration drain_deadline_{};
  // To the process after this one.
  posix::unique_fd legacy_;
  // Whether the process before this one may still go on in its place.
  bool replaces_ = false;
};

// Implementation

template <class Owner>
void tenure<Owner>::claim(std::error_code& error)
{
  error = predecessor::of_this_process().error();
  replaces_ = predecessor::of_this_process().waits();
  if (!error && !replaces_) presence_.claim(error);
}

template <class Owner>
void tenure<Owner>::stopping()
{
  presence_.stopping();
  if (successor_) successor_->stop();
}

template <class Owner>
void tenure<Owner>::end()
{
  if (legacy_) leave_totals();
  presence_.end(owner_);
  succession_->end();
}

template <class Owner>
void tenure<Owner>::abandon()
{
  presence_.abandon();
  succession_->end();
  if (const auto upgrading = std::exchange(successor_, nullptr)) upgrading->close();
}

template <class Owner>
template <class Handler>
void tenure<Owner>::upgrade(const upgrade_options& how, Handler&& handler)
{
  std::error_code error;
  if (!owner_.serves()) error = error::shutting_down;
  else if (successor_ || replaces_) error = error::busy;
  std::vector<passed_listener> listeners;
  if (!error) owner_.connections().copy_to(listeners, error);
  if (error)
    return complete_later<upgrade_result>(
        executor_, std::forward<Handler>(handler), error, upgrade_result());
  drain_deadline_ = how.drain_deadline();
  upgrade_host& host = *this;
  const auto started = std::make_shared<successor>(executor_, host);
  successor_ = started;
  started->wait(std::forward<Handler>(handler));
  started->start(how, listeners);
}

template <class Owner>
void tenure<Owner>::upgrade_by_signal()
{
  // What fails later is reported where it does.
  upgrade(by_signal_, [owner = owner_.shared_from_this(), this](
                          std::error_code error, const upgrade_result& result) {
    if (error && result.pid == 0 && result.outcome == upgrade_outcome::succeeded)
      report(error, "upgrade");
  });
}

template <class Owner>
void tenure<Owner>::hand_over(pid_t successor)
{
  presence_.hand_over(successor);
  service_sockets::of_this_process().close_all();
  owner_.connections().let_go();
}

template <class Owner>
void tenure<Owner>::upgrade_over(const upgrade_result& result)
{
  successor_.reset();
  if (result.succeeded()) return owner_.stop(drain_deadline_);
  if (result.outcome != upgrade_outcome::stopped)
    report(error::upgrade_failed, "upgrade: " + result.to_string());
  // It may have been all that was left.
  owner_.finish_if_over();
}

template <class Owner>
bool tenure<Owner>::all_ready() const
{
  const auto serves = [](const placed_worker& each) { return each.runs() && each.ready; };
  const auto is_filled = [&](const group_place& place) {
    return place.finished || serves(place.current) || serves(place.next);
  };
  const auto is_ready = [&](const auto& each) {
    const auto& places = each->state().roster().places();
    return each->state().over() ||
           (places.size() >= each->state().count() && std::ranges::all_of(places, is_filled));
  };
  // Without any group there is nothing to take over for.
  return !groups_.all().empty() && std::ranges::all_of(groups_.all(), is_ready);
}

template <class Owner>
void tenure<Owner>::take_over()
{
  replaces_ = false;
  std::error_code error;
  presence_.claim_from_predecessor(error);
  if (error) report(error, "pid file");
  owner_.connections().own_paths();
  presence_.begin(owner_.shared_from_this());
}

template <class Owner>
void tenure<Owner>::leave_totals()
{
  totals all = owner_.cluster().totals();
  all.groups = groups_.totals();
  std::error_code error;
  send_text(legacy_.get(), to_text(all), error);
  if (error) report(error, "totals");
  legacy_.reset();
}

template <class Owner>
void tenure<Owner>::inherit(std::string_view legacy)
{
  std::error_code error;
  const totals earlier = totals_from_text(legacy, error);
  if (error) report(error, "totals");
  owner_.cluster().restore(earlier);
  owner_.groups().restore(earlier.groups);
}

template <class Owner>
void tenure<Owner>::report(std::error_code error, std::string what)
{
  error_event event;
  event.code = error;
  event.what = std::move(what);
  owner_.publish(event);
}

} // namespace cohort::detail
