// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/cluster.hpp>
#include <cohort/detail/core/report_failure.hpp>
#include <cohort/detail/lifecycle/end_signals.hpp>
#include <cohort/settings.hpp>
#include <cohort/supervisor_options.hpp>
#include <cohort/this_worker.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace cohort {

/// How `run` starts and ends.
class run_options {
public:
  using duration = std::chrono::steady_clock::duration;

  run_options() = default;

  /// How workers are started. Default: this program with its arguments.
  run_options& settings(cohort::settings value) &
  {
    settings_ = std::move(value);
    return *this;
  }
  run_options settings(cohort::settings value) && { return std::move(settings(std::move(value))); }

  /// How long the workers may take to drain after SIGTERM or SIGINT, before they are ended by
  /// force. Default: 30 seconds.
  run_options& drain_deadline(duration value) &
  {
    drain_deadline_ = value;
    return *this;
  }
  run_options drain_deadline(duration value) && { return std::move(drain_deadline(value)); }

  const cohort::settings& settings() const noexcept { return settings_; }
  duration drain_deadline() const noexcept { return drain_deadline_; }

private:
  cohort::settings settings_;
  duration drain_deadline_ = std::chrono::seconds(30);
};

namespace detail {

template <class Function>
struct first_argument;
template <class Result, class Argument>
struct first_argument<std::function<Result(Argument)>> {
  using type = std::remove_reference_t<Argument>;
};

/// The object that a coroutine function takes by reference.
template <class Function>
using subject_of = typename first_argument<decltype(std::function(std::declval<Function>()))>::type;

template <class Supervise>
using policy_of = typename subject_of<Supervise>::policy_type;

/// Whether that object is a `supervisor`.
template <class Supervise>
concept supervises_groups =
    std::is_constructible_v<subject_of<Supervise>, asio::io_context&, const supervisor_options&>;

} // namespace detail

/// Runs a whole program: `supervise(cluster)` in the primary, `serve(self)` in each worker.
///
/// Makes the io_context, tells primary and worker apart, and owns the ending.
/// - In the primary SIGTERM and SIGINT end the cluster: all workers drain, within a deadline; what
///   `supervise` still awaits then ends by cancellation, and the result is 0, also when workers had
///   to be ended by force. Nothing can be forked any more. A second such signal kills the workers
///   and ends at once with 128 and its number; a third one is not handled any more. In a program
///   that an upgrade has started two within a second are one until it has taken over: the process
///   group may get it, and the old program passes it on.
/// - In a worker SIGTERM drains it, a second one ends it at once; so does a first one that comes
///   more than a second after the primary made it drain, as at the primary's deadline. SIGINT is
///   left to the primary. So both may be sent to the whole process group, as terminals and service
///   managers do. A worker that has left the cluster handles neither any more. In a worker of a
///   group SIGHUP and SIGUSR1, by which a supervisor reloads, are left to the primary as well, and
///   so are SIGUSR2, by which it is upgraded, and SIGTTIN and SIGTTOU, by which it scales.
/// - `error::shutting_down` and `error::draining` out of the coroutines are a normal end. Any other
///   exception is one line on stderr and the result 1. Out of `supervise` it also ends the cluster,
///   as the signals do, which are counted from zero then. Out of `serve` it ends that worker at
///   once, its live connections with it.
/// - When `supervise` returns, the workers go on; the program ends with the last of them, whatever
///   else waits in the primary: a listener that is held, a timer, another coroutine.
///
/// @param supervise coroutine of the type `asio::awaitable<void>(cohort::cluster<...>&)`, or of
///   `asio::awaitable<void>(cohort::supervisor<...>&)`: then all this holds for the supervisor, and
///   while that runs it handles its signals besides.
/// @param serve coroutine of the type `asio::awaitable<void>(cohort::this_worker&)`.
/// @param policy of the cluster; each of its listeners gets a copy.
/// @return the status for `main` to return: 0 after a normal end, 1 after a failure, 128 and the
///   number after a second signal. How the workers ended is not part of it.
template <class Supervise, class Serve, class Policy = detail::policy_of<Supervise>>
int run(int argc, char** argv, Supervise supervise, Serve serve,
    run_options options = run_options(), Policy policy = Policy());

/// The same with options for the supervisor that `supervise` gets.
template <class Supervise, class Serve, class Policy = detail::policy_of<Supervise>>
requires detail::supervises_groups<Supervise>
int run(int argc, char** argv, Supervise supervise, Serve serve, supervisor_options options,
    Policy policy = Policy());

} // namespace cohort

// Implementation

namespace cohort::detail {

/// Whether this is how a coroutine is meant to end when everything ends.
inline bool is_normal_end(const std::exception_ptr& failure, bool ending)
{
  if (!failure) return true;
  try {
    std::rethrow_exception(failure);
  } catch (const std::system_error& error) {
    if (error.code() == condition::ending) return true;
    return ending && error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

/// The primary's half of `run`. `Cluster` may be a `supervisor`, with options of its own.
template <class Cluster>
class primary_program {
public:
  template <class Options, class Policy>
  primary_program(const Options& options, Policy policy)
      : drain_deadline_(options.drain_deadline()),
        cluster_(context_, options_of_cluster(options), std::move(policy)),
        signals_(context_, SIGTERM, SIGINT)
  {
  }

  template <class Supervise>
  int run(Supervise& supervise)
  {
    wait_for_signal();
    asio::co_spawn(context_, supervise(cluster_),
        asio::bind_cancellation_slot(cancellation_.slot(), [this](std::exception_ptr failure) {
          supervised_ = true;
          if (!is_normal_end(failure, ending_)) {
            report_failure("supervise", failure);
            status_ = EXIT_FAILURE;
            end();
          }
          finish();
        }));
    context_.run();
    return status_;
  }

private:
  using exits = std::vector<exit_event>;

  static auto options_of_cluster(const run_options& options)
  {
    // A supervisor that sees a signal first has to drain as long.
    if constexpr (std::is_constructible_v<Cluster, asio::io_context&, const supervisor_options&>)
      return supervisor_options()
          .settings(options.settings())
          .drain_deadline(options.drain_deadline());
    else return options.settings();
  }
  static auto options_of_cluster(const supervisor_options& options) { return options; }

  void wait_for_signal()
  {
    signals_.async_wait([this](std::error_code error, int signal) {
      if (error) return;
      if (end_signals_.is_second(end_signals::clock::now(), replaces_another()))
        return end_at_once(signal);
      end();
      wait_for_signal();
    });
  }

  bool replaces_another() const noexcept
  {
    if constexpr (requires { cluster_.replaces_another(); }) return cluster_.replaces_another();
    else return false;
  }

  void end()
  {
    if (std::exchange(ending_, true)) return;
    cluster_.disconnect(drain_deadline_, last_end([this](std::error_code, const exits&) {
      // The last events are on their way to `supervise`; what it awaits after them would wait
      // for ever.
      asio::post(context_, [this] { cancel_supervise(); });
    }));
  }

  void cancel_supervise()
  {
    if (supervised_) return context_.stop();
    cancellation_.emit(asio::cancellation_type::terminal);
    // One that goes on all the same is not waited for longer than this.
    last_wait_.expires_after(std::chrono::seconds(1));
    last_wait_.async_wait([this](std::error_code) { context_.stop(); });
  }

  void end_at_once(int signal)
  {
    status_ = 128 + signal;
    // Should a worker resist even that, this program can still be ended as any other.
    signals_.clear();
    cluster_.kill(SIGKILL);
    cluster_.idle([this](std::error_code) { context_.stop(); });
  }

  void finish()
  {
    // The program ends with the last worker. What else the context may wait for, if only a listener
    // that is held, ends with it: nobody is left to serve what comes.
    cluster_.idle([this](std::error_code error) {
      if (error) return;
      if (!cluster_.workers().empty()) finish();
      else if (ending_) context_.stop();
      else end();
    });
  }

  asio::io_context context_{1};
  std::chrono::steady_clock::duration drain_deadline_;
  Cluster cluster_;
  asio::signal_set signals_;
  asio::steady_timer last_wait_{context_};
  asio::cancellation_signal cancellation_;
  bool supervised_ = false;
  bool ending_ = false;
  end_signals end_signals_;
  int status_ = EXIT_SUCCESS;
};

/// A worker's half of `run`.
template <class Self>
class worker_program {
public:
  template <class Serve>
  int run(Serve& serve)
  {
    if (!self_.group().empty()) {
      signals_.add(SIGHUP);
      signals_.add(SIGUSR1);
      signals_.add(SIGUSR2);
      // Ignored, so that neither these nor a terminal stop it.
      std::signal(SIGTTIN, SIG_IGN);
      std::signal(SIGTTOU, SIG_IGN);
    }
    wait_for_signal();
    asio::co_spawn(context_, serve(self_), [this](std::exception_ptr failure) {
      if (is_normal_end(failure, self_.draining())) return;
      report_failure("serve", failure);
      status_ = EXIT_FAILURE;
      context_.stop();
    });
    self_.drain_requested([this](std::error_code) { drains_since_ = clock::now(); });
    self_.left([this](std::error_code) {
      left_ = true;
      // What goes on after that is ended by a signal as any other program. A wait that has just
      // completed must not begin anew.
      signals_.clear();
      signals_.cancel();
    });
    context_.run();
    return status_;
  }

private:
  using clock = std::chrono::steady_clock;

  void wait_for_signal()
  {
    signals_.async_wait([this](std::error_code error, int signal) {
      if (error) return;
      if (signal == SIGTERM) terminate();
      if (!left_) wait_for_signal();
    });
  }

  void terminate()
  {
    // A signal to the whole process group reaches the primary too, whose `drain` may be here first.
    const bool late = drains_since_ && clock::now() - *drains_since_ > end_signals::same_moment;
    if (std::exchange(terminated_, true) || late) return end_at_once();
    self_.disconnect([](std::error_code) {});
  }

  void end_at_once()
  {
    // Ends as a program without a handler would.
    signals_.clear();
    std::cout.flush();
    std::raise(SIGTERM);
  }

  asio::io_context context_{1};
  Self self_{context_};
  asio::signal_set signals_{context_, SIGTERM, SIGINT};
  std::optional<clock::time_point> drains_since_;
  bool terminated_ = false;
  bool left_ = false;
  int status_ = EXIT_SUCCESS;
};

template <class Supervise, class Serve, class Options, class Policy>
int run_program(
    int argc, char** argv, Supervise& supervise, Serve& serve, Options& options, Policy policy)
{
  try {
    if (is_worker()) {
      worker_program<subject_of<Serve>> program;
      return program.run(serve);
    }
    cohort::settings how = options.settings();
    if (!how.args()) how.args(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
    options.settings(how);
    primary_program<subject_of<Supervise>> program(options, std::move(policy));
    return program.run(supervise);
  } catch (const std::exception& error) {
    std::cerr << std::string("cohort: ") + error.what() + '\n';
    return EXIT_FAILURE;
  }
}

} // namespace cohort::detail

namespace cohort {

template <class Supervise, class Serve, class Policy>
int run(int argc, char** argv, Supervise supervise, Serve serve, run_options options, Policy policy)
{
  return detail::run_program(argc, argv, supervise, serve, options, std::move(policy));
}

template <class Supervise, class Serve, class Policy>
requires detail::supervises_groups<Supervise>
int run(int argc, char** argv, Supervise supervise, Serve serve, supervisor_options options,
    Policy policy)
{
  return detail::run_program(argc, argv, supervise, serve, options, std::move(policy));
}

} // namespace cohort
