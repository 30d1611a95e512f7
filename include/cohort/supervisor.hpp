// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

// First: compilers begin what they say of a wrong policy with their way to its checks.
#include <cohort/scheduling/policy.hpp>

#include <cohort/cluster.hpp>
#include <cohort/config.hpp>
#include <cohort/detail/supervision/measure_groups.hpp>
#include <cohort/detail/supervision/reload_of_groups.hpp>
#include <cohort/detail/supervision/supervisor_core.hpp>
#include <cohort/group.hpp>
#include <cohort/metrics.hpp>
#include <cohort/reload_options.hpp>
#include <cohort/reload_result.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/supervisor_options.hpp>
#include <cohort/totals.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/execution_context.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace cohort {

namespace detail {

struct supervisor_access {
  template <class Supervisor>
  static auto core(Supervisor& from) noexcept
  {
    return from.core_;
  }
};

} // namespace detail

/// A cluster whose workers are kept up: groups of them, each with its number, its listeners and its
/// rules for what follows when one ends.
///
///     cohort::supervisor<> master(io);
///     master.add(cohort::group("web").workers(4).listen(tcp::endpoint(tcp::v4(), 8080)));
///     co_await master.run();
///
/// Workers that end are replaced, with pauses that grow; a group whose workers do not stay gives up
/// for a while, which `gave_up_event` tells. Workers that have done enough, or ask for it, are
/// replaced by others that are ready before the old ones leave; so are all of them by a reload.
///
/// In the worker `this_worker::group` tells which group it is of; what it listens on joins the
/// listeners of the group where they are the same.
///
/// Destroying it ends the workers as destroying a `cluster` does; operations in flight end with
/// `operation_aborted`.
///
/// Thread safety: distinct objects safe, shared objects unsafe; as `cluster`.
/// Source: node-cluster's `Master`; OTP's supervisors.
template <class Policy = round_robin, class Protocol = json_protocol>
class supervisor {
public:
  using executor_type = asio::any_io_executor;
  using policy_type = Policy;
  using protocol_type = Protocol;
  using cluster_type = cohort::cluster<Policy, Protocol>;
  using worker_type = typename cluster_type::worker_type;
  using duration = std::chrono::steady_clock::duration;

  /// In a program that an upgrade has started it takes what the other one listens on, and the
  /// variable by which it knows of it: no other thread may read the environment meanwhile.
  explicit supervisor(const executor_type& executor,
      const supervisor_options& options = supervisor_options(), Policy policy = Policy());
  template <class Context>
  requires std::convertible_to<Context&, asio::execution_context&>
  explicit supervisor(Context& context, const supervisor_options& options = supervisor_options(),
      Policy policy = Policy())
      : supervisor(executor_type(context.get_executor()), options, std::move(policy))
  {
  }

  /// The same with settings alone.
  template <class Context>
  requires std::convertible_to<Context&, asio::execution_context&> supervisor(
      Context& context, const settings& how, Policy policy = Policy())
      : supervisor(context, supervisor_options().settings(how), std::move(policy))
  {
  }

  ~supervisor() { core_->abandon(); }

  supervisor(const supervisor&) = delete;
  supervisor& operator=(const supervisor&) = delete;

  executor_type get_executor() const noexcept { return core_->cluster().get_executor(); }

  /// Adds a group; while the supervisor runs its listeners are opened and its workers started at
  /// once.
  /// @throws std::invalid_argument for a second group of the same name; std::system_error as the
  ///   errors of `run` for its listeners, and `error::shutting_down` while all ends.
  supervisor& add(const group& description);
  /// The same with those errors in `error`.
  supervisor& add(const group& description, std::error_code& error);

  /// Takes a group away: its listeners close, its workers drain and are not replaced; the other
  /// groups are left alone. Who waits in the kernel to be accepted is served by the last worker
  /// that leaves, as at the end of all, and is reset when there is none; then clients are refused.
  /// A reload of the group ends with `error::shutting_down`.
  ///
  /// Completes when its last worker has ended. From then on the name may be used again, and there
  /// is no such group for `status_text` and the rest; until then there is, and `resize`, `resume`
  /// and `broadcast` go into the void. `run` goes on, also without any group, unless all that are
  /// left are over.
  ///
  /// @param deadline for the workers, that of `group::drain_deadline` unless said; then they are
  ///   terminated, and killed. Called again it shortens that, and both complete.
  /// Completion signature: `void(std::error_code)`.
  /// Per-operation cancellation: all types; it ends the wait, not the group's end.
  /// Errors: `operation_aborted` when it was cancelled, or when the supervisor goes away first.
  /// @throws std::out_of_range when there is no such group.
  /// Source: `pm`'s `shutdown` of one group.
  template <class Token = default_token_t<>>
  auto remove(std::string_view group, duration deadline, Token&& token = Token());
  template <class Token = default_token_t<>>
  requires(!std::convertible_to<Token, duration>) auto remove(
      std::string_view group, Token&& token = Token());

  /// Opens the listeners of all groups, starts the workers, and keeps them up.
  ///
  /// Completes when all groups are over: at the end that a signal, `disconnect` or an upgrade has
  /// made, or when their policies replace none of their workers any more; not because a group was
  /// taken away. Without any group that is at once.
  ///
  /// Completion signature: `void(std::error_code)`.
  /// Per-operation cancellation: all types; the wait ends at once, and all workers drain.
  /// Errors: what opening a listener or the pid file gives, or `error::version_mismatch`,
  /// `error::protocol_violation` and `error::truncated` where the program that this one was started
  /// to replace is not understood: nothing is started then; `error::busy`
  /// while it runs already, `error::shutting_down` after it has ended; `error::gave_up` as
  /// `supervisor_options::end_when_given_up` says; `operation_aborted`.
  /// Source: node-cluster's `dispatch`.
  template <class Token = default_token_t<>>
  auto run(Token&& token = Token());

  /// Replaces the workers of a group by new ones: a new one is ready before an old one leaves, and
  /// if a new one fails, the new ones leave again and the old ones stay.
  ///
  /// Completes when the last worker that was to leave has ended.
  ///
  /// Completion signature: `void(std::error_code, reload_result)`.
  /// Per-operation cancellation: all types. The wait ends at once, and if nobody else waits for it
  /// the reload is rolled back, unless all the new workers had taken over.
  /// Errors: `error::reload_failed` (the result says why), `error::busy` while one is under way,
  /// unless `options` say to join it, or while workers of two generations leave still,
  /// `error::shutting_down`, `operation_aborted`.
  /// @throws std::out_of_range when there is no such group.
  template <class Token = default_token_t<>>
  auto reload(std::string_view group, const reload_options& options, Token&& token = Token());

  /// Reloads all groups, beside one another; completes when that is over in all. Cancellation and
  /// errors are as those of one group.
  ///
  /// Completion signature: `void(std::error_code, std::vector<reload_event>)`, with how it went for
  /// each group and the first error there was.
  template <class Token = default_token_t<>>
  auto reload(const reload_options& options, Token&& token = Token());

  /// Changes how many workers a group has; 0 is none, and leaves its listeners open. Who is not
  /// wanted any more drains first; see docs/scaling.md for who that is. A group that rests does so
  /// no more.
  /// @throws std::out_of_range when there is no such group.
  void resize(std::string_view group, unsigned workers)
  {
    core_->groups().at(group)->resize(workers);
  }

  /// Makes a group that has given up try again now.
  /// @throws std::out_of_range when there is no such group.
  void resume(std::string_view group) { core_->groups().at(group)->resume(); }

  /// Its workers whose process has not ended, those on their way out included.
  /// @throws std::out_of_range when there is no such group.
  std::vector<worker_type> workers(std::string_view group) const;
  std::vector<worker_type> workers() const { return core_->cluster().workers(); }

  /// A line about each group, and one about each of its workers: words with spaces between them, a
  /// name and its value. `state` of a group is `up`, `reloading`, `given-up` or `ending`, that of a
  /// worker `started`, `online`, `ready`, `stalled` or `leaving`; behind them is what its program
  /// reports by `this_worker::report_value`.
  ///
  ///     group web workers 2 ready 2 starting 0 leaving 1 generation 4 state reloading
  ///     worker 17 group web pid 4711 generation 4 state ready requests 2208 load 3 lag_us 51
  ///       memory 5242880 descriptors 14 q=7
  ///
  /// (The one about a worker is one line. A dash stands for what cannot be seen.)
  ///
  /// Source: `pm`'s status file.
  std::string status_text() const { return core_->status(); }

  /// How the groups, the listeners and the workers are now: see `cluster::metrics`.
  supervisor_metrics metrics() const
  {
    return detail::measure_groups(detail::cluster_access::core(core_->cluster()), core_->groups());
  }

  /// All that was counted, for `restore` in another process.
  cohort::totals totals() const;
  /// Counts on from there: `earlier` is added to what was counted here. Once, at any time; what was
  /// counted of a group counts when a group of that name is there. After an upgrade that happens by
  /// itself: see `started_by_upgrade`.
  void restore(const cohort::totals& earlier)
  {
    core_->cluster().restore(earlier);
    core_->groups().restore(earlier.groups);
  }

  /// Whether this program was started by an `upgrade` of the one before it, which leaves what it
  /// has counted when it ends.
  bool started_by_upgrade() const noexcept { return core_->tenure().started_by_upgrade(); }
  /// Whether that program has not given way yet, and ends this one if the upgrade fails.
  bool replaces_another() const noexcept { return core_->tenure().replaces(); }

  /// Sends `message` to each worker of a group; how many of them took it.
  /// @throws std::out_of_range when there is no such group.
  template <class Message>
  std::size_t broadcast(std::string_view group, const Message& message);

  /// The cluster underneath, for what is said of workers and connections there. Workers that are
  /// forked there are of no group, and not kept up. It is not for ending: that is `disconnect`
  /// here.
  cluster_type& cluster() noexcept { return core_->cluster(); }

  /// As `cluster::subscribe`; with `gave_up_event`, `resumed_event`, `ready_count_event`,
  /// `reload_event`, `signal_event`.
  template <class... Events>
  subscription<Events...> subscribe()
  {
    return core_->cluster().template subscribe<Events...>();
  }

  /// Drains the workers of all groups, and completes as `cluster::disconnect`; then `run` ends. An
  /// upgrade that is under way is given up, and its end awaited.
  template <class Token = default_token_t<>>
  auto disconnect(duration deadline, Token&& token = Token());

  /// As `cluster::kill`. SIGKILL goes to a new program of an upgrade as well, unless it counts.
  void kill(int signal) noexcept { core_->kill(signal); }

  /// As `cluster::idle`.
  template <class Token = default_token_t<>>
  auto idle(Token&& token = Token())
  {
    return core_->cluster().idle(std::forward<Token>(token));
  }

private:
  friend detail::supervisor_access;
  using core_type = detail::supervisor_core<Policy, Protocol>;

  std::shared_ptr<core_type> core_;
};

// Implementation

template <class Policy, class Protocol>
supervisor<Policy, Protocol>::supervisor(
    const executor_type& executor, const supervisor_options& options, Policy policy)
    : core_(std::make_shared<core_type>(executor, options, std::move(policy)))
{
  core_->watch();
}

template <class Policy, class Protocol>
auto supervisor<Policy, Protocol>::add(const group& description) -> supervisor&
{
  std::error_code error;
  add(description, error);
  if (error) throw std::system_error(error, "group " + description.name());
  return *this;
}

template <class Policy, class Protocol>
auto supervisor<Policy, Protocol>::add(const group& description, std::error_code& error)
    -> supervisor&
{
  error.clear();
  core_->add(description, error);
  return *this;
}

template <class Policy, class Protocol>
template <class Token>
auto supervisor<Policy, Protocol>::remove(std::string_view group, duration deadline, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, std::shared_ptr<core_type> core,
          std::shared_ptr<detail::supervised_group> one,
          duration limit) { core->remove(std::move(one), limit, std::move(handler)); },
      token, core_, core_->groups().at(group), deadline);
}

template <class Policy, class Protocol>
template <class Token>
requires(!std::convertible_to<Token, std::chrono::steady_clock::duration>) auto supervisor<Policy,
    Protocol>::remove(std::string_view group, Token&& token)
{
  const duration deadline = core_->groups().at(group)->description().drain_deadline();
  return remove(group, deadline, std::forward<Token>(token));
}

template <class Policy, class Protocol>
template <class Token>
auto supervisor<Policy, Protocol>::run(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, std::shared_ptr<core_type> core) { core->run(std::move(handler)); }, token,
      core_);
}

template <class Policy, class Protocol>
template <class Token>
auto supervisor<Policy, Protocol>::reload(
    std::string_view group, const reload_options& options, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, reload_result)>(
      [](auto handler, std::shared_ptr<detail::supervised_group> one, reload_options how) {
        one->reload(std::move(handler), how);
      },
      token, core_->groups().at(group), options);
}

template <class Policy, class Protocol>
template <class Token>
auto supervisor<Policy, Protocol>::reload(const reload_options& options, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, std::vector<reload_event>)>(
      [](auto handler, std::shared_ptr<core_type> core, reload_options how) {
        const auto all = std::make_shared<detail::reload_of_groups>(core->get_executor());
        all->start(std::move(handler), core->groups().all(), how);
        core->tenure().reload_asked();
      },
      token, core_, options);
}

template <class Policy, class Protocol>
auto supervisor<Policy, Protocol>::workers(std::string_view group) const -> std::vector<worker_type>
{
  std::vector<worker_type> all;
  for (const worker_id each : core_->groups().workers_of(*core_->groups().at(group)))
    if (auto found = core_->cluster().find(each)) all.push_back(std::move(*found));
  return all;
}

template <class Policy, class Protocol>
cohort::totals supervisor<Policy, Protocol>::totals() const
{
  cohort::totals all = core_->cluster().totals();
  all.groups = core_->groups().totals();
  return all;
}

template <class Policy, class Protocol>
template <class Message>
std::size_t supervisor<Policy, Protocol>::broadcast(std::string_view group, const Message& message)
{
  std::size_t queued = 0;
  for (worker_type& each : workers(group)) queued += is_sent(each.send(message)) ? 1 : 0;
  return queued;
}

template <class Policy, class Protocol>
template <class Token>
auto supervisor<Policy, Protocol>::disconnect(duration deadline, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, std::vector<exit_event>)>(
      [](auto handler, std::shared_ptr<core_type> core, duration limit) {
        core->disconnect(limit, std::move(handler));
      },
      token, core_, deadline);
}

} // namespace cohort
