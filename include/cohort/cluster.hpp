// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/counters.hpp>
#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/core/cluster_core.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/environment.hpp>
#include <cohort/event.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/settings.hpp>
#include <cohort/subscription.hpp>
#include <cohort/worker.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/execution_context.hpp>

#include <chrono>
#include <concepts>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

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
/// Thread safety: distinct objects safe, shared objects unsafe.
template <class Policy = round_robin>
class cluster {
  static_assert(scheduling_policy<Policy>,
      "the policy of a cohort::cluster must be a cohort::scheduling_policy");
  static_assert(detail::check_hooks<Policy>());

public:
  using executor_type = asio::any_io_executor;
  using policy_type = Policy;
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

  ~cluster() { core_->close(); }

  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;

  executor_type get_executor() const noexcept { return core_->get_executor(); }

  /// Changes the settings of later forks; what `more` does not set stays. Publishes `setup_event`.
  void setup(const settings& more) { core_->setup(more); }

  /// The settings in force.
  const settings& current_settings() const noexcept { return core_->current_settings(); }

  /// Starts a worker: this program again, unless the settings say otherwise.
  ///
  /// Completes when the program is being executed, with a handle. `fork_event` precedes it.
  ///
  /// @param variables environment variables on top of this process's own.
  /// Completion signature: `void(std::error_code, worker)`.
  /// Per-operation cancellation: none; it is over when it begins.
  /// Errors: what starting a process gives (`no_such_file_or_directory`,
  /// `resource_unavailable_try_again`, `too_many_files_open`, ...), then no event follows;
  /// `error::shutting_down` while the cluster ends.
  /// Source: Node's `cluster.fork(env)`.
  template <class Token = default_token_t<>>
  auto co_fork(environment variables, Token&& token = Token());
  template <class Token = default_token_t<>>
  requires(!std::convertible_to<Token, environment>) auto co_fork(Token&& token = Token());

  /// Starts `count` workers, one for each processor unless said.
  ///
  /// Completion signature: `void(std::error_code, std::vector<worker>)`. With an error the vector
  /// has those that were started before it.
  template <class Token = default_token_t<>>
  auto co_fork_all(unsigned count, Token&& token = Token());
  template <class Token = default_token_t<>>
  requires(!std::convertible_to<Token, unsigned>) auto co_fork_all(Token&& token = Token());

  /// The workers whose process has not been reaped yet, by id.
  std::vector<worker> workers() const;

  /// The worker of this id, if it is one of `workers()`.
  std::optional<worker> find(worker_id id) const;

  /// From now on, events of these kinds; all of `fork_event`, `online_event`, `listening_event`,
  /// `disconnect_event`, `exit_event`, `setup_event`, `error_event` are there.
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

  /// What has happened to connections so far, on all listeners.
  connection_counters counters() const { return core_->counters(); }

private:
  using core_pointer = std::shared_ptr<detail::cluster_core<Policy>>;

  core_pointer core_;
};

// Implementation

template <class Policy>
cluster<Policy>::cluster(const executor_type& executor, const settings& how, Policy policy)
    : core_(std::make_shared<detail::cluster_core<Policy>>(executor, how, std::move(policy)))
{
}

template <class Policy>
template <class Token>
auto cluster<Policy>::co_fork(environment variables, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, worker)>(
      [](auto handler, core_pointer core, environment with) {
        std::error_code error;
        worker forked(core->fork(with, error));
        detail::complete_later<worker>(
            core->get_executor(), std::move(handler), error, std::move(forked));
      },
      token, core_, std::move(variables));
}

template <class Policy>
template <class Token>
requires(!std::convertible_to<Token, environment>) auto cluster<Policy>::co_fork(Token&& token)
{
  return co_fork(environment(), std::forward<Token>(token));
}

template <class Policy>
template <class Token>
auto cluster<Policy>::co_fork_all(unsigned count, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, std::vector<worker>)>(
      [](auto handler, core_pointer core, unsigned wanted) {
        std::error_code error;
        std::vector<worker> started;
        while (started.size() != wanted && !error) {
          worker forked(core->fork(environment(), error));
          if (!error) started.push_back(std::move(forked));
        }
        detail::complete_later<std::vector<worker>>(
            core->get_executor(), std::move(handler), error, std::move(started));
      },
      token, core_, count);
}

template <class Policy>
template <class Token>
requires(!std::convertible_to<Token, unsigned>) auto cluster<Policy>::co_fork_all(Token&& token)
{
  return co_fork_all(available_parallelism(), std::forward<Token>(token));
}

template <class Policy>
std::vector<worker> cluster<Policy>::workers() const
{
  std::vector<worker> all;
  for (auto& each : core_->workers()) all.emplace_back(std::move(each));
  return all;
}

template <class Policy>
std::optional<worker> cluster<Policy>::find(worker_id id) const
{
  auto found = core_->find(id);
  return found ? std::optional(worker(std::move(found))) : std::nullopt;
}

template <class Policy>
template <class... Events>
subscription<Events...> cluster<Policy>::subscribe()
{
  return subscription<Events...>(
      core_->events().template subscribe<Events...>(core_->get_executor()));
}

template <class Policy>
template <class Token>
auto cluster<Policy>::disconnect(duration deadline, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, std::vector<exit_event>)>(
      [](auto handler, core_pointer core, duration limit) {
        core->disconnect(limit, std::move(handler));
      },
      token, core_, deadline);
}

template <class Policy>
template <class Token>
requires(!std::convertible_to<Token,
         typename cluster<Policy>::duration>) auto cluster<Policy>::disconnect(Token&& token)
{
  return disconnect(default_deadline, std::forward<Token>(token));
}

template <class Policy>
template <class Token>
auto cluster<Policy>::idle(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, core_pointer core) { core->wait_idle(std::move(handler)); }, token, core_);
}

} // namespace cohort
