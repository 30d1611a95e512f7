// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

// First: compilers begin what they say of a wrong policy with their way to its checks.
#include <cohort/scheduling/policy.hpp>

#include <cohort/config.hpp>
#include <cohort/counters.hpp>
#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/core/cluster_core.hpp>
#include <cohort/detail/core/listener_figures.hpp>
#include <cohort/detail/core/measure.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/environment.hpp>
#include <cohort/event.hpp>
#include <cohort/listening_primary.hpp>
#include <cohort/metrics.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/settings.hpp>
#include <cohort/subscription.hpp>
#include <cohort/totals.hpp>
#include <cohort/worker.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/execution_context.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The way to a cluster's core for what stands on top of it.
struct cluster_access {
  template <class Cluster>
  static auto& core(const Cluster& cluster) noexcept
  {
    return *cluster.core_;
  }
};

} // namespace cohort::detail

namespace cohort {

/// How many processors this process may use: its affinity, and the processor quota of its control
/// groups rounded up; at least 1. Source: Node's `os.availableParallelism()`.
inline unsigned available_parallelism() { return detail::posix::available_cpus(); }

/// The primary: starts worker processes, shares listening sockets among them, hands connections to
/// them as `Policy` says, and sees how they live and end.
///
/// Everything runs on the executor it was made from; with several threads make it from a strand.
/// It is work for the execution context as long as a worker process runs.
///
/// Destroying it closes all channels, which ends the workers; it waits for nothing. Operations in
/// flight end with `operation_aborted`. Worker handles stay valid.
///
/// With `COHORT_DEBUG=cluster` in the environment it writes what happens to its workers to stderr,
/// a line each, and so do its workers of themselves. Source: Node's `NODE_DEBUG=cluster`.
///
/// Thread safety: distinct objects safe, shared objects unsafe.
/// `Protocol` says what it and its workers send each other; any JSON value unless said, and that
/// needs `<cohort/message/json.hpp>`, which `<cohort.hpp>` includes.
template <class Policy = round_robin, class Protocol = json_protocol>
class cluster : public listening_primary<Policy> {
  using base = listening_primary<Policy>;

  // Asserted as a value, whose parts no compiler goes on to explain at length.
  static constexpr bool has_policy_ = scheduling_policy<Policy>;
  static_assert(has_policy_,
      "the policy of a cohort::cluster must be a cohort::scheduling_policy: copyable, with "
      "std::size_t select(std::span<const cohort::candidate>, const cohort::connection_info&)");
  static_assert(detail::check_hooks<Policy>());

public:
  using executor_type = asio::any_io_executor;
  using policy_type = Policy;
  using protocol_type = Protocol;
  using worker_type = basic_worker<Protocol>;
  using envelope_type = typename worker_type::envelope_type;
  using duration = std::chrono::steady_clock::duration;

  /// How long `disconnect` waits when it is not told.
  static constexpr std::chrono::seconds default_deadline{30};

  /// @param how how workers are started, see `setup`.
  /// @param policy each listener gets a copy.
  explicit cluster(
      const executor_type& executor, const settings& how = settings(), Policy policy = Policy());
  template <class Context>
  requires std::convertible_to<Context&, asio::execution_context&>
  explicit cluster(Context& context, const settings& how = settings(), Policy policy = Policy())
      : cluster(executor_type(context.get_executor()), how, std::move(policy))
  {
  }

  ~cluster();

  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;

  executor_type get_executor() const noexcept { return core_->get_executor(); }

  /// Changes the settings of later forks; what `more` does not set stays. Publishes `setup_event`.
  void setup(const settings& more) { core_->setup(more); }

  /// The settings in force; from the first `setup` or fork on also what they do not say, such as
  /// the program and its arguments. Source: Node's `cluster.settings`.
  settings current_settings() const { return core_->current_settings(); }

  /// Workers may listen on this descriptor of the primary by `inherited_fd`, though it is CLOEXEC.
  /// The socket that has the number when a worker asks for it is the one that counts.
  void allow_inherited(int number) { core_->inheritable().allow(number); }

  /// Starts a worker: this program again, unless the settings say otherwise.
  ///
  /// Completes when the program is being executed, with a handle. `fork_event` precedes it.
  ///
  /// @param variables environment variables on top of this process's own.
  /// Completion signature: `void(std::error_code, worker_type)`.
  /// Per-operation cancellation: none; it is over when it begins.
  /// Errors: what starting a process gives (`no_such_file_or_directory`,
  /// `resource_unavailable_try_again`, `too_many_files_open`, ...), then no event follows;
  /// `error::shutting_down` while the cluster ends.
  /// Source: Node's `cluster.fork(env)`.
  template <class Token = default_token_t<>>
  auto co_fork(environment variables, Token&& token = Token());
  template <class Token = default_token_t<>>
  requires(!std::convertible_to<Token, environment> &&
           !std::convertible_to<Token, settings>) auto co_fork(Token&& token = Token());

  /// The same with `more` laid over the settings for this worker alone.
  template <class Token = default_token_t<>>
  auto co_fork(settings more, Token&& token = Token());

  /// Starts `count` workers, one for each processor unless said.
  ///
  /// Completion signature: `void(std::error_code, std::vector<worker_type>)`. With an error the
  /// vector has those that were started before it.
  template <class Token = default_token_t<>>
  auto co_fork_all(unsigned count, Token&& token = Token());
  template <class Token = default_token_t<>>
  requires(!std::convertible_to<Token, unsigned>) auto co_fork_all(Token&& token = Token());

  /// The workers whose process has not been reaped yet, by id.
  std::vector<worker_type> workers() const;

  /// The worker of this id, if it is one of `workers()`.
  std::optional<worker_type> find(worker_id id) const;

  /// From now on, events of these kinds: `fork_event`, `online_event`, `listening_event`,
  /// `ready_event`, `stalled_event`, `recovered_event`, `retire_event`, `disconnect_event`,
  /// `exit_event`, `setup_event`, `error_event`.
  template <class... Events>
  subscription<Events...> subscribe();

  /// Ends all workers gracefully, as `worker::disconnect` does, and completes when all processes
  /// are gone, with how each ended. Until then nothing can be forked; afterwards it can.
  ///
  /// Completion signature: `void(std::error_code, std::vector<exit_event>)`.
  /// Per-operation cancellation: ends the wait, not the workers' end.
  /// Source: Node's `cluster.disconnect`, which completes too early.
  template <class Token = default_token_t<>>
  auto disconnect(duration deadline, Token&& token = Token());
  template <class Token = default_token_t<>>
  requires(!std::convertible_to<Token, duration>) auto disconnect(Token&& token = Token());

  /// Completes when no process of this cluster runs, at once when none does.
  /// Completion signature: `void(std::error_code)`. Per-operation cancellation: all types.
  template <class Token = default_token_t<>>
  auto idle(Token&& token = Token());

  /// Sends every worker a signal.
  void kill(int signal) noexcept { core_->kill(signal); }

  /// Waits for the next message of any worker; `envelope::worker` tells whose it is. The workers
  /// take turns. A message goes to one receiver only: who waits at the `worker` comes first. What
  /// workers had sent before their end is still received; when nobody does, and it becomes more
  /// than 8 MiB, what the first ones left is at their `worker` only, and lost (which an
  /// `error_event` tells) where nobody has that.
  ///
  /// Completion signature: `void(std::error_code, envelope_type)`.
  /// Per-operation cancellation: all types; no message is lost by it.
  /// Errors: `operation_aborted` when the cluster goes away.
  /// Source: Node's `cluster.on('message')`.
  template <detail::deduced = detail::deduced(), class Token = default_token_t<>>
  auto receive(Token&& token = Token());

  /// Sends a message to every worker that is connected, as `worker::send` does.
  /// @return how many it was queued for.
  template <class Message>
  std::size_t broadcast(const Message& message);

  /// What has happened to connections so far, on all listeners.
  connection_counters counters() const { return core_->counters(); }

  /// How its listeners and its workers are now. It asks the kernel what workers use, no more often
  /// than `worker::memory` does.
  cluster_metrics metrics() const { return detail::measure_cluster(*core_); }

  /// All that was counted, for `restore` in another process.
  cohort::totals totals() const { return {detail::count_listeners(core_->connections()), {}}; }
  /// Counts on from there: `earlier` is added to what was counted here. Once, at any time.
  void restore(const cohort::totals& earlier)
  {
    for (const listener_totals& each : earlier.listeners)
      core_->connections().ledger().add(each.address, each.counters);
  }

private:
  friend struct detail::cluster_access;

  using base::core_;
  using typename base::core_pointer;
  using message_hub = detail::message_hub<envelope_type>;
  using hub_pointer = std::shared_ptr<message_hub>;

  cluster(hub_pointer hub, const executor_type& executor, const settings& how, Policy policy);

  static detail::message_side primary_side(hub_pointer hub);

  hub_pointer hub_;
};

// Implementation

template <class Policy, class Protocol>
cluster<Policy, Protocol>::cluster(
    const executor_type& executor, const settings& how, Policy policy)
    : cluster(std::make_shared<message_hub>(executor), executor, how, std::move(policy))
{
}

template <class Policy, class Protocol>
cluster<Policy, Protocol>::cluster(
    hub_pointer hub, const executor_type& executor, const settings& how, Policy policy)
    : base(std::make_shared<detail::cluster_core<Policy>>(
          executor, how, std::move(policy), primary_side(hub))),
      hub_(std::move(hub))
{
  hub_->on_loss = [weak = std::weak_ptr(core_)] {
    error_event event;
    event.code = error::queue_full;
    event.what = "messages";
    if (const auto core = weak.lock()) core->publish(event);
  };
}

template <class Policy, class Protocol>
cluster<Policy, Protocol>::~cluster()
{
  core_->close();
  hub_->close();
}

template <class Policy, class Protocol>
detail::message_side cluster<Policy, Protocol>::primary_side(hub_pointer hub)
{
  return detail::describe_side<typename Protocol::to_worker, typename Protocol::to_primary,
      Protocol>([hub](auto& core) { core.start(hub); });
}

template <class Policy, class Protocol>
template <class Token>
auto cluster<Policy, Protocol>::co_fork(environment variables, Token&& token)
{
  return co_fork(settings().env(std::move(variables)), std::forward<Token>(token));
}

template <class Policy, class Protocol>
template <class Token>
auto cluster<Policy, Protocol>::co_fork(settings more, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, worker_type)>(
      [](auto handler, core_pointer core, settings with) {
        std::error_code error;
        worker_type forked(core->fork(with, error));
        detail::complete_later<worker_type>(
            core->get_executor(), std::move(handler), error, std::move(forked));
      },
      token, core_, std::move(more));
}

template <class Policy, class Protocol>
template <class Token>
requires(
    !std::convertible_to<Token, environment> &&
    !std::convertible_to<Token, settings>) auto cluster<Policy, Protocol>::co_fork(Token&& token)
{
  return co_fork(settings(), std::forward<Token>(token));
}

template <class Policy, class Protocol>
template <class Token>
auto cluster<Policy, Protocol>::co_fork_all(unsigned count, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, std::vector<worker_type>)>(
      [](auto handler, core_pointer core, unsigned wanted) {
        std::error_code error;
        std::vector<worker_type> started;
        while (started.size() != wanted && !error) {
          worker_type forked(core->fork(settings(), error));
          if (!error) started.push_back(std::move(forked));
        }
        detail::complete_later<std::vector<worker_type>>(
            core->get_executor(), std::move(handler), error, std::move(started));
      },
      token, core_, count);
}

template <class Policy, class Protocol>
template <class Token>
requires(!std::convertible_to<Token, unsigned>) auto cluster<Policy, Protocol>::co_fork_all(
    Token&& token)
{
  return co_fork_all(available_parallelism(), std::forward<Token>(token));
}

template <class Policy, class Protocol>
auto cluster<Policy, Protocol>::workers() const -> std::vector<worker_type>
{
  std::vector<worker_type> all;
  for (auto& each : core_->workers()) all.emplace_back(std::move(each));
  return all;
}

template <class Policy, class Protocol>
auto cluster<Policy, Protocol>::find(worker_id id) const -> std::optional<worker_type>
{
  auto found = core_->find(id);
  return found ? std::optional(worker_type(std::move(found))) : std::nullopt;
}

template <class Policy, class Protocol>
template <class... Events>
subscription<Events...> cluster<Policy, Protocol>::subscribe()
{
  return subscription<Events...>(
      core_->events().template subscribe<Events...>(core_->get_executor()));
}

template <class Policy, class Protocol>
template <class Token>
auto cluster<Policy, Protocol>::disconnect(duration deadline, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, std::vector<exit_event>)>(
      [](auto handler, core_pointer core, duration limit) {
        core->disconnect(limit, std::move(handler));
      },
      token, core_, deadline);
}

template <class Policy, class Protocol>
template <class Token>
requires(!std::convertible_to<Token, std::chrono::steady_clock::duration>) auto cluster<Policy,
    Protocol>::disconnect(Token&& token)
{
  return disconnect(default_deadline, std::forward<Token>(token));
}

template <class Policy, class Protocol>
template <class Token>
auto cluster<Policy, Protocol>::idle(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, core_pointer core) { core->wait_idle(std::move(handler)); }, token, core_);
}

template <class Policy, class Protocol>
template <detail::deduced, class Token>
auto cluster<Policy, Protocol>::receive(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, envelope_type)>(
      [](auto handler, hub_pointer hub) { hub->receive(std::move(handler)); }, token, hub_);
}

template <class Policy, class Protocol>
template <class Message>
std::size_t cluster<Policy, Protocol>::broadcast(const Message& message)
{
  std::size_t queued = 0;
  for (worker_type& each : workers()) queued += is_sent(each.send(message)) ? 1 : 0;
  return queued;
}

} // namespace cohort
