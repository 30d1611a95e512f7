// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/core/event_bus.hpp>
#include <cohort/detail/core/pass_listeners.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/core/predecessor.hpp>
#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/handle/service_sockets.hpp>
#include <cohort/detail/lifecycle/group_place.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/supervision/group_table.hpp>
#include <cohort/detail/supervision/legacies.hpp>
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
#include <new>
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
/// `connections()`, a `dispatcher`; `set_upgrades(bool)`, which hears whether there is a process
/// besides; `stop(duration)` and `finish_if_over()`, after which its end may follow;
/// `publish(any_event)`; `cluster()` and `groups()`.
template <class Owner>
class tenure final : private upgrade_host, private succession_host, private heir {
public:
  using duration = std::chrono::steady_clock::duration;

  tenure(Owner& owner, const asio::any_io_executor& executor, const supervisor_options& options,
      const group_table& groups, group_host& host)
      : owner_(owner),
        executor_(executor),
        by_signal_(options.upgrade()),
        groups_(groups),
        presence_(executor, options, groups, host),
        succession_(std::make_shared<succession>(executor, static_cast<succession_host&>(*this))),
        legacies_(std::make_shared<legacies>(executor, static_cast<heir&>(*this)))
  {
    // Before the program asks what it has inherited, and before anything is executed.
    started_by_upgrade_ = replaces_ = predecessor::of_this_process().waits();
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
  /// A worker has ended, and whom it has not served is here again.
  void worker_ended()
  {
    if (legacy_) give_stranded(legacy_.get());
  }
  void stopping();
  /// A new program ends at once.
  void kill()
  {
    if (successor_) successor_->kill();
  }
  void end();
  void abandon();

  bool started_by_upgrade() const noexcept { return started_by_upgrade_; }
  /// Whether the process before this one may still go on in its place.
  bool replaces() const noexcept { return replaces_; }

  /// Starts a program that is to replace this one; `handler(std::error_code, upgrade_result)`.
  template <class Handler>
  void upgrade(const upgrade_options& how, Handler&& handler);
  /// The same as the options say, where nobody waits for the result.
  void upgrade_by_signal();
  bool upgrades() const noexcept { return successor_ != nullptr; }

  /// Publishes that something failed which concerns this process alone.
  void report(std::error_code error, std::string what);

private:
  std::error_code refusal() const;
  std::shared_ptr<successor> make_successor()
  {
    upgrade_host& host = *this;
    return std::make_shared<successor>(executor_, host);
  }
  void start(const std::shared_ptr<successor>& added, const upgrade_options& how);
  void hand_over(pid_t successor, int channel, std::error_code& error) override;
  void upgrade_over(const upgrade_result& result) override;
  bool all_ready() const override;
  void take_over() override;
  void keep(posix::unique_fd channel) override;
  void await_end(posix::unique_fd channel) override { legacies_->await(std::move(channel)); }
  void adopt(passed_listener connections) override;
  void inherit(std::string_view counted) override;
  void give_stranded(int channel);
  void leave_all(int channel);

  Owner& owner_;
  asio::any_io_executor executor_;
  upgrade_options by_signal_;
  const group_table& groups_;
  presence presence_;
  std::shared_ptr<succession> succession_;
  // Of the processes before this one.
  std::shared_ptr<legacies> legacies_;
  // The upgrade that is under way.
  std::shared_ptr<successor> successor_;
  duration drain_deadline_{};
  // To the process after this one.
  posix::unique_fd legacy_;
  bool replaces_ = false;
  bool started_by_upgrade_ = false;
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
  if (!successor_) return;
  // Nobody is to come any more.
  take_back_listeners(owner_.connections());
  successor_->stop();
}

template <class Owner>
void tenure<Owner>::end()
{
  if (const posix::unique_fd channel = std::move(legacy_)) leave_all(channel.get());
  presence_.end(owner_);
  succession_->end();
  legacies_->close();
  // A worker that is ready may have had more to ask for.
  if (!replaces_) predecessor::of_this_process().close_unclaimed();
}

template <class Owner>
void tenure<Owner>::abandon()
{
  presence_.abandon();
  succession_->end();
  legacies_->close();
  if (const auto upgrading = std::exchange(successor_, nullptr)) upgrading->close();
}

template <class Owner>
template <class Handler>
void tenure<Owner>::upgrade(const upgrade_options& how, Handler&& handler)
{
  if (const std::error_code error = refusal())
    return complete_later<upgrade_result>(
        executor_, std::forward<Handler>(handler), error, upgrade_result());
  const auto added = make_successor();
  added->wait(std::forward<Handler>(handler));
  start(added, how);
}

template <class Owner>
void tenure<Owner>::upgrade_by_signal()
{
  if (const std::error_code error = refusal()) return report(error, "upgrade");
  start(make_successor(), by_signal_);
}

// Why there can be no upgrade now.
template <class Owner>
std::error_code tenure<Owner>::refusal() const
{
  if (!owner_.serves()) return error::shutting_down;
  return successor_ || replaces_ ? make_error_code(error::busy) : std::error_code();
}

template <class Owner>
void tenure<Owner>::start(const std::shared_ptr<successor>& added, const upgrade_options& how)
{
  drain_deadline_ = how.drain_deadline();
  successor_ = added;
  owner_.set_upgrades(true);
  std::error_code error;
  std::vector<passed_listener> listeners;
  try {
    listeners = pass_listeners(owner_.connections(), error);
  } catch (const std::bad_alloc&) {
    error = std::make_error_code(std::errc::not_enough_memory);
  }
  error ? added->fail(error) : added->start(how, listeners);
}

template <class Owner>
void tenure<Owner>::hand_over(pid_t successor, int channel, std::error_code& error)
{
  presence_.hand_over(successor, error);
  if (error) return;
  service_sockets::of_this_process().close_all();
  let_go_listeners(owner_.connections());
  give_stranded(channel);
}

template <class Owner>
void tenure<Owner>::keep(posix::unique_fd channel)
{
  legacy_ = std::move(channel);
  // Should this program be killed while it drains, what others have to leave is not lost.
  std::error_code error;
  legacies_->pass_to(legacy_.get(), error);
  if (error) report(error, "totals");
}

template <class Owner>
void tenure<Owner>::upgrade_over(const upgrade_result& result)
{
  successor_.reset();
  owner_.set_upgrades(false);
  if (result.succeeded()) return owner_.stop(drain_deadline_);
  take_back_listeners(owner_.connections());
  if (result.outcome != upgrade_outcome::stopped)
    report(error::upgrade_failed, "upgrade: " + result.to_string());
  // It may have been all that was left.
  owner_.finish_if_over();
}

template <class Owner>
bool tenure<Owner>::all_ready() const
{
  const auto is_ready = [](const auto& each) { return brief_of(*each).all_ready(); };
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
  predecessor::of_this_process().give_way();
  take_over_listeners(owner_.connections());
  presence_.begin(owner_.shared_from_this());
}

// Who came back when nobody was left is served there.
template <class Owner>
void tenure<Owner>::give_stranded(int channel)
{
  detail::give_stranded(owner_.connections(), [&](passed_listener& each) {
    std::error_code error;
    send_stranded(channel, each, error);
    if (error) report(error, "connections for the new program");
  });
}

template <class Owner>
void tenure<Owner>::adopt(passed_listener connections)
{
  std::error_code error;
  // Nobody is accepted here any more when another one listens already.
  if (legacy_) send_stranded(legacy_.get(), connections, error);
  else adopt_stranded(owner_.connections(), std::move(connections), error);
  if (error) report(error, "connections of the old program");
}

template <class Owner>
void tenure<Owner>::leave_all(int channel)
{
  give_stranded(channel);
  totals all = owner_.cluster().totals();
  all.groups = groups_.totals();
  std::error_code not_passed, not_told;
  legacies_->pass_to(channel, not_passed);
  send_text(channel, to_text(all), not_told);
  for (const std::error_code& each : {not_passed, not_told})
    if (each) report(each, "totals");
}

template <class Owner>
void tenure<Owner>::inherit(std::string_view counted)
{
  // A worker that is ready may have had more to ask for until now.
  if (!legacies_->awaits_first()) predecessor::of_this_process().close_unclaimed();
  std::error_code error;
  const totals earlier = totals_from_text(counted, error);
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
