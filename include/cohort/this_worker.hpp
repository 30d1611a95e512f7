// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/config.hpp>
#include <cohort/detail/channel/problem_handler.hpp>
#include <cohort/detail/core/self_core.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/listening_endpoint.hpp>
#include <cohort/message/protocol.hpp>
#include <cohort/peer_endpoint.hpp>
#include <cohort/worker_id.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/execution_context.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cohort {

/// Whether a cluster started this process. Stays true after its channels were adopted.
inline bool is_worker() noexcept { return detail::posix::role().is_worker(); }

/// Whether this process was started by anything else: it may run a cluster.
inline bool is_primary() noexcept { return !is_worker(); }

/// Makes a `this_worker` that needs no cluster.
struct standalone_t {
  explicit standalone_t() = default;
};
inline constexpr standalone_t standalone{};

/// What a worker does when its primary goes away without a word.
enum class on_primary_lost {
  /// It flushes the standard streams and ends at once with status 0, as in Node. The default.
  exit,
  /// It drains: live connections may end, until a deadline.
  drain,
};

/// This process as a worker: its channel to the primary, and what it listens on.
///
/// One for each process. It counts as work of its execution context while the channel is open, so
/// `run` does not return before the worker has left. After that the context ends when the program
/// has nothing more to do.
///
/// With `standalone` it needs no cluster: `listen` binds for itself, and everything else works the
/// same, so that one program runs clustered and alone.
///
/// Thread safety: shared objects unsafe; with several threads make it from a strand.
///
/// `Protocol` is that of the cluster: what it sends is in `Protocol::to_primary`; what it sends to
/// other workers, by `send_to` and `broadcast`, in `Protocol::to_worker`.
template <class Protocol = json_protocol, class Executor = asio::any_io_executor>
class basic_this_worker : public peer_endpoint<Protocol, Executor>,
                          public listening_endpoint<Executor> {
  using messaging = peer_endpoint<Protocol, Executor>;

public:
  using protocol_type = Protocol;
  using executor_type = Executor;
  using duration = std::chrono::steady_clock::duration;

  template <class OtherExecutor>
  struct rebind_executor {
    using other = basic_this_worker<Protocol, OtherExecutor>;
  };

  /// Adopts the channels this process was started with, and says hello.
  /// @throws std::system_error `error::not_a_worker` when no cluster started this process, or the
  ///   channels were adopted before.
  /// @param options the bounds of this side of the message channel.
  explicit basic_this_worker(
      const executor_type& executor, const channel_options& options = channel_options());
  template <class Context>
  requires std::convertible_to<Context&, asio::execution_context&>
  explicit basic_this_worker(Context& context, const channel_options& options = channel_options())
      : basic_this_worker(executor_type(context.get_executor()), options)
  {
  }

  /// Alone, without a cluster.
  basic_this_worker(const executor_type& executor, standalone_t);
  template <class Context>
  requires std::convertible_to<Context&, asio::execution_context&> basic_this_worker(
      Context& context, standalone_t)
      : basic_this_worker(executor_type(context.get_executor()), standalone)
  {
  }

  /// Gives the channels up without a word; the primary ends this process if it stays.
  ~basic_this_worker() { core_->abandon(); }

  basic_this_worker(const basic_this_worker&) = delete;
  basic_this_worker& operator=(const basic_this_worker&) = delete;

  executor_type get_executor() const noexcept { return executor_; }

  /// The id the primary knows this worker by, 0 when it stands alone.
  worker_id id() const noexcept
  {
    return core_->standalone() ? worker_id(0) : detail::posix::role().id;
  }

  /// Whether the channel to the primary is open; never for a worker that stands alone.
  bool is_connected() const noexcept { return core_->is_connected(); }

  /// Whether this worker is on its way out: it listens nowhere and takes no connection any more.
  bool draining() const noexcept { return core_->draining(); }

  /// Completes when the drain begins, at once when it has begun. For what should end early then,
  /// such as connections that are idle between two requests.
  ///
  /// Completion signature: `void(std::error_code)`. Per-operation cancellation: all types.
  /// Errors: `operation_aborted` when it was cancelled, or when this object goes away first.
  template <class Token = default_token_t<Executor>>
  auto drain_requested(Token&& token = Token());

  /// Tells the primary how much there is to do here, in units of the program's own (requests in
  /// flight, queued bytes); scheduling policies see it as `candidate::load`. 0 unless reported, and
  /// nothing happens alone. Cheap: what is reported in one turn of the event loop is sent once.
  /// Source: node-cluster's `transact` and `release`.
  void report_load(std::uint32_t load) { core_->report_load(load); }

  /// The group this worker was started for, empty for none: see `settings::group`.
  const std::string& group() const noexcept { return detail::posix::role().group; }

  /// Tells the primary that this worker serves, for programs whose first listen is not the moment:
  /// it has loaded what it needs, or it listens nowhere. Again, or alone: nothing.
  /// Source: node-cluster's `worker.ready()`.
  void ready() { core_->ready(); }

  /// Tells the primary that so many more requests have been answered, which it cannot see where one
  /// connection brings several. With `settings::max_requests` that decides when this worker is to
  /// be replaced. What is told in one turn of the event loop is sent once.
  /// Source: node-cluster's `release`.
  void request_done(std::uint32_t count = 1) { core_->request_done(count); }

  /// Tells the primary something of this worker, for its status: `worker::values` has it there. The
  /// last text of a name counts, an empty one takes the name away. Only news is sent.
  /// @param name 1 to 64 characters without white space, control characters and '='.
  /// @param text at most 256 bytes.
  /// @throws std::invalid_argument for others; std::length_error for more than 64 names.
  /// Source: node-cluster's `monset`.
  void report_value(std::string_view name, std::string_view text)
  {
    core_->report_value(name, text);
  }

  /// Asks to be replaced, because something here is broken or worn out: the primary gets
  /// `retire_event`, and a supervisor drains this worker when another one is ready. Until then it
  /// serves as before. Again, or alone: nothing.
  void request_replacement() { core_->request_replacement(); }

  /// Asks for a reload of a group of workers, this worker's own unless said: the primary gets
  /// `reload_request_event`, and a supervisor reloads the group if `group::reload_on_request`
  /// allows it. Alone: nothing.
  /// @throws std::invalid_argument for a name of more than 64 bytes.
  /// Source: node-cluster's `worker.reload()`.
  void request_reload(std::string_view group = std::string_view()) { core_->request_reload(group); }

  /// Leaves the cluster: announces it, drains, and completes when this worker has left. The
  /// context then ends by itself when nothing else is pending.
  ///
  /// The drain begins when the primary agrees. Until then `draining()` is false and connections are
  /// accepted as before: the last worker of a listener gets all that wait there. Only a new listen
  /// fails at once, with `error::draining`. Alone, and for what is `exclusive`, those who wait to
  /// be accepted when the drain begins are reset.
  ///
  /// Completion signature: `void(std::error_code)`.
  /// Per-operation cancellation: all types; it ends the wait, not the leaving.
  /// Errors: `operation_aborted` when it was cancelled, or when this object goes away first.
  /// Source: Node's `cluster.worker.disconnect()`.
  template <class Token = default_token_t<Executor>>
  auto disconnect(Token&& token = Token());

  /// Completes when this worker has left the cluster, for whatever reason: its own, the primary's,
  /// or because the primary is lost; at once when it has left.
  ///
  /// Completion signature: `void(std::error_code)`. Per-operation cancellation: all types.
  /// Errors: `operation_aborted` when it was cancelled, or when this object goes away first.
  template <class Token = default_token_t<Executor>>
  auto left(Token&& token = Token());

  /// Ends this process soon, with this status, and announced: the primary sees
  /// `exited_after_disconnect()`. Nothing is listened on or accepted any more; what was offered
  /// goes to others, live connections are cut. Messages that were sent before still go, if that
  /// takes no longer than a second. Then who waits for `left` is told, the standard streams are
  /// flushed, and no destructor runs. When the channel has ended, or alone, there is nothing to
  /// wait for. Called again: nothing. Source: Node's `cluster.worker.kill()`.
  void kill(int status = 0) { core_->kill(status); }

  /// Cuts the channel to the primary, unannounced: `is_connected()` is false at once, and when the
  /// event loop has its turn this process ends with status 0, or as `set_on_primary_lost` says, and
  /// is killed when it has not ended within `settings::fence_grace`.
  /// `disconnect` is the graceful end. Messages that the kernel has not taken by then are lost.
  /// Twice, when this worker has left, or alone: nothing.
  /// Source: Node's `process.disconnect()`.
  void close_channel() { core_->close_channel(); }

  /// Decides what happens when the primary goes away without an announced end of this worker. A
  /// drain is bounded by `deadline`: then the process ends at once, with status 0 or that of its
  /// last words, and the connections that still live are cut. A worker that drains already when the
  /// primary goes away goes on, within the same bound. Source: Node, where `exitedAfterDisconnect`
  /// decides.
  void set_on_primary_lost(
      on_primary_lost what, duration deadline = std::chrono::seconds(30)) noexcept;

  /// Called when a message had to be skipped or the primary broke the rules of the message channel:
  /// on the executor, never inside another function of this object, nor after its end. Without it
  /// each problem is one line on stderr.
  void on_problem(std::function<void(const channel_problem&)> function)
  {
    this->message_core()->on_problem = detail::posted_problems(executor_, std::move(function));
  }

  /// Called on the executor when this process is to end because the channel ended unannounced: the
  /// primary is lost, or the channel was cut on either side. The process ends with what it returns.
  /// After a drain that is when the deadline is over and connections live still. Not called when
  /// the primary has broken the protocol, which ends the process with status 1.
  /// It may block, until the primary, if there is one, kills this process after
  /// `settings::fence_grace`. An exception out of it is one out of the context's `run`; this worker
  /// has left then.
  /// Source: Node's `disconnect` event in the worker.
  void set_on_primary_lost(std::function<int()> last_words)
  {
    core_->loss().set_last_words(std::move(last_words));
  }

private:
  basic_this_worker(const executor_type& executor, detail::posix::worker_channels channels,
      const channel_options& options);
  basic_this_worker(const executor_type& executor, std::shared_ptr<detail::self_core> core);

  executor_type executor_;
  std::shared_ptr<detail::self_core> core_;
};

/// The worker's side of a plain program: JSON values, any executor.
using this_worker = basic_this_worker<>;

// Implementation

namespace detail {

inline posix::worker_channels adopt_own_channels()
{
  std::error_code error;
  posix::worker_channels channels = posix::adopt_channels(error);
  if (error) throw std::system_error(error, "this_worker");
  return channels;
}

} // namespace detail

template <class Protocol, class Executor>
basic_this_worker<Protocol, Executor>::basic_this_worker(
    const executor_type& executor, const channel_options& options)
    : basic_this_worker(executor, detail::adopt_own_channels(), options)
{
  core_->start();
}

template <class Protocol, class Executor>
basic_this_worker<Protocol, Executor>::basic_this_worker(
    const executor_type& executor, standalone_t)
    : basic_this_worker(executor, detail::posix::worker_channels(), channel_options())
{
}

template <class Protocol, class Executor>
basic_this_worker<Protocol, Executor>::basic_this_worker(const executor_type& executor,
    detail::posix::worker_channels channels, const channel_options& options)
    : basic_this_worker(executor, std::make_shared<detail::self_core>(executor, std::move(channels),
                                      detail::describe_side<typename Protocol::to_primary,
                                          typename Protocol::to_worker, Protocol>([](auto& core) {
                                        core.start();
                                        core.take_relayed();
                                      }),
                                      options))
{
}

template <class Protocol, class Executor>
basic_this_worker<Protocol, Executor>::basic_this_worker(
    const executor_type& executor, std::shared_ptr<detail::self_core> core)
    : messaging(std::static_pointer_cast<typename messaging::core_type>(core->messages()), core),
      listening_endpoint<Executor>(executor, core),
      executor_(executor),
      core_(std::move(core))
{
}

template <class Protocol, class Executor>
template <class Token>
auto basic_this_worker<Protocol, Executor>::drain_requested(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, std::shared_ptr<detail::self_core> core) {
        core->drain_requested().add(std::move(handler));
      },
      token, core_);
}

template <class Protocol, class Executor>
template <class Token>
auto basic_this_worker<Protocol, Executor>::disconnect(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, std::shared_ptr<detail::self_core> core) {
        core->left().add(std::move(handler));
        core->leave();
      },
      token, core_);
}

template <class Protocol, class Executor>
template <class Token>
auto basic_this_worker<Protocol, Executor>::left(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, std::shared_ptr<detail::self_core> core) {
        core->left().add(std::move(handler));
      },
      token, core_);
}

template <class Protocol, class Executor>
void basic_this_worker<Protocol, Executor>::set_on_primary_lost(
    on_primary_lost what, duration deadline) noexcept
{
  core_->loss().set_drain(
      what == on_primary_lost::drain ? std::optional(deadline) : std::optional<duration>());
}

} // namespace cohort
