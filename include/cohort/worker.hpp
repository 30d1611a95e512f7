// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/detail/core/worker_core.hpp>
#include <cohort/event.hpp>
#include <cohort/exit_status.hpp>
#include <cohort/message/protocol.hpp>
#include <cohort/message_endpoint.hpp>
#include <cohort/worker_id.hpp>
#include <cohort/worker_process.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>

#include <chrono>
#include <concepts>
#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <sys/types.h>

namespace cohort {

/// A worker process, as its primary sees it. A handle: copies mean the same worker, and it stays
/// valid after the worker's end, and after the cluster's.
///
/// The suspending functions wait for something that happens at most once. Awaited afterwards they
/// complete at once; many may wait; all waits end when the worker is gone. Each has the signature
/// `void(std::error_code, ...)`, supports terminal, partial and total cancellation without effect
/// on the worker, and runs its handler on the associated executor, never inside the call.
///
/// Thread safety: all handles of all workers of one cluster share its state, so they are to be used
/// where the cluster is used: on one thread at a time, with several threads on its strand.
///
/// Source: Node's `Worker`.
///
/// `Protocol` is that of its cluster: what it is sent is in `Protocol::to_worker`.
template <class Protocol = json_protocol>
class basic_worker : public message_endpoint<typename Protocol::to_worker,
                         typename Protocol::to_primary, typename Protocol::codec> {
  using messaging = message_endpoint<typename Protocol::to_worker, typename Protocol::to_primary,
      typename Protocol::codec>;

public:
  using protocol_type = Protocol;
  using executor_type = asio::any_io_executor;
  using duration = std::chrono::steady_clock::duration;

  /// How long `disconnect` waits when it is not told.
  static constexpr std::chrono::seconds default_deadline{30};

  /// Refers to no worker; only assignment and `operator bool` make sense.
  basic_worker() noexcept = default;
  explicit basic_worker(std::shared_ptr<detail::worker_core> core) noexcept;

  explicit operator bool() const noexcept { return core_ != nullptr; }

  executor_type get_executor() const noexcept { return core_->get_executor(); }

  worker_id id() const noexcept { return core_->id(); }
  pid_t pid() const noexcept { return core_->pid(); }
  /// Its process, with this side of the pipes that `settings::stdio` asked for.
  worker_process process() const { return worker_process(core_); }

  /// Whether its channel is open: from the start until it has left, died or broken the protocol.
  bool is_connected() const noexcept { return core_->state().is_connected(); }
  /// Whether its process has ended.
  bool is_dead() const noexcept { return core_->state().is_dead(); }
  /// Whether its end was announced: by `disconnect` here, or by the worker itself before it left.
  bool exited_after_disconnect() const noexcept { return core_->state().exited_after_disconnect(); }

  /// Its place in the cluster: the lowest number that no other worker had when it was started, so
  /// that a replacement has the place of the one that is gone.
  std::uint32_t slot() const noexcept { return core_->description().slot; }

  /// The group it was started for, see `settings::group`.
  const std::string& group() const noexcept { return core_->group(); }

  /// How many requests its program says it has answered, see `this_worker::request_done`.
  std::uint64_t requests() const noexcept { return core_->requests(); }

  /// What its program tells of itself, by name: see `this_worker::report_value`. It may be
  /// anything.
  const std::map<std::string, std::string>& values() const noexcept { return core_->values(); }

  /// With `settings::heartbeat`: whether it was not heard for too long and gets no connections.
  bool is_stalled() const noexcept { return core_->is_stalled(); }
  /// With `settings::heartbeat`: how much later than it should have its event loop came to its last
  /// sign of life.
  std::chrono::microseconds loop_lag() const noexcept { return core_->lag(); }

  /// How many bytes of it are in memory, those it shares with other processes counted in full, and
  /// how many descriptors it has open. Nothing where that cannot be seen, which an `error_event`
  /// tells once. It is what was found when it was looked at last, which is done in here when that
  /// is `settings::usage_interval` ago; after its end what was found before that.
  std::optional<std::uint64_t> memory() const { return core_->usage().memory; }
  std::optional<std::uint64_t> descriptors() const { return core_->usage().descriptors; }

  /// Its weight for scheduling policies that heed it, from `settings::weight` at first. 0: it gets
  /// no more connections, and keeps those it has.
  std::uint32_t weight() const noexcept { return core_->description().weight; }
  void weight(std::uint32_t value) { core_->set_weight(value); }

  /// Completes when the worker's runtime has said hello; `error::worker_gone` when it ends before.
  template <class Token = default_token_t<>>
  auto online(Token&& token = Token()) const;

  /// Completes with `listening_event` when the worker listens for the first time;
  /// `error::worker_gone` when it ends before.
  template <class Token = default_token_t<>>
  auto listening(Token&& token = Token()) const;

  /// Completes when the worker serves: its program has called `this_worker::ready`, or its first
  /// listen succeeded; `error::worker_gone` when it ends before.
  template <class Token = default_token_t<>>
  auto ready(Token&& token = Token()) const;

  /// Completes when the worker's channel has ended, however.
  template <class Token = default_token_t<>>
  auto disconnected(Token&& token = Token()) const;

  /// Completes with `exit_status` when the worker's process has ended.
  template <class Token = default_token_t<>>
  auto exited(Token&& token = Token()) const;

  /// Sends a signal, and nothing else; a dead process gives `no_such_process`, one of another user
  /// `operation_not_permitted` where `settings::uid` says so.
  /// @throws std::system_error
  void kill(int signal = SIGTERM);
  void kill(int signal, std::error_code& error) noexcept { core_->kill(signal, error); }

  /// Ends the worker gracefully and completes with its `exit_status`.
  ///
  /// It is offered no more connections. If it is the last one of a listener that is not held, what
  /// waits there is handed to it first. It ends when its live connections have ended. When
  /// `deadline` has passed it gets SIGTERM, and after `settings::kill_grace` SIGKILL. Called again
  /// it does nothing more, except that the earlier deadline counts.
  ///
  /// Completion signature: `void(std::error_code, exit_status)`.
  /// Per-operation cancellation: all types; it ends the wait, not the worker's end.
  /// Errors: `operation_aborted` when the wait was cancelled, none else.
  template <class Token = default_token_t<>>
  auto disconnect(duration deadline, Token&& token = Token());
  template <class Token = default_token_t<>>
  requires(!std::convertible_to<Token, duration>) auto disconnect(Token&& token = Token());

  /// Cuts the channel, unannounced: `is_connected()` is false at once. The worker ends at once with
  /// status 0, or with its last words' or by a drain when it was told so (see
  /// `this_worker::set_on_primary_lost`), and is killed when it has not ended within
  /// `settings::fence_grace`. What it took until it learns of it stays its own, and ends with it;
  /// what it had been offered and not taken goes to others when it is dead. Messages that have not
  /// reached it are lost; those it has sent can be received. Twice, or when the channel has ended:
  /// nothing.
  /// Source: Node's `worker.process.disconnect()`.
  void close_channel() { core_->close_channel(); }

  friend bool operator==(const basic_worker& a, const basic_worker& b) noexcept
  {
    return a.core_ == b.core_;
  }

private:
  std::shared_ptr<detail::worker_core> core_;
};

/// A worker of a cluster that has no protocol of its own.
using worker = basic_worker<>;

// Implementation

template <class Protocol>
basic_worker<Protocol>::basic_worker(std::shared_ptr<detail::worker_core> core) noexcept
    : messaging(core ? std::static_pointer_cast<typename messaging::core_type>(core->messages())
                     : nullptr),
      core_(std::move(core))
{
}

template <class Protocol>
template <class Token>
auto basic_worker<Protocol>::online(Token&& token) const
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, std::shared_ptr<detail::worker_core> core) {
        core->online().add(std::move(handler));
      },
      token, core_);
}

template <class Protocol>
template <class Token>
auto basic_worker<Protocol>::listening(Token&& token) const
{
  return asio::async_initiate<Token, void(std::error_code, listening_event)>(
      [](auto handler, std::shared_ptr<detail::worker_core> core) {
        core->listening().add(std::move(handler));
      },
      token, core_);
}

template <class Protocol>
template <class Token>
auto basic_worker<Protocol>::ready(Token&& token) const
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, std::shared_ptr<detail::worker_core> core) {
        core->ready().add(std::move(handler));
      },
      token, core_);
}

template <class Protocol>
template <class Token>
auto basic_worker<Protocol>::disconnected(Token&& token) const
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, std::shared_ptr<detail::worker_core> core) {
        core->disconnected().add(std::move(handler));
      },
      token, core_);
}

template <class Protocol>
template <class Token>
auto basic_worker<Protocol>::exited(Token&& token) const
{
  return asio::async_initiate<Token, void(std::error_code, exit_status)>(
      [](auto handler, std::shared_ptr<detail::worker_core> core) {
        core->exited().add(std::move(handler));
      },
      token, core_);
}

template <class Protocol>
void basic_worker<Protocol>::kill(int signal)
{
  std::error_code error;
  kill(signal, error);
  if (error) throw std::system_error(error, "kill");
}

template <class Protocol>
template <class Token>
auto basic_worker<Protocol>::disconnect(duration deadline, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, exit_status)>(
      [](auto handler, std::shared_ptr<detail::worker_core> core, duration limit) {
        core->exited().add(std::move(handler));
        core->disconnect(limit);
      },
      token, core_, deadline);
}

template <class Protocol>
template <class Token>
requires(
    !std::convertible_to<Token,
        std::chrono::steady_clock::duration>) auto basic_worker<Protocol>::disconnect(Token&& token)
{
  return disconnect(default_deadline, std::forward<Token>(token));
}

} // namespace cohort
