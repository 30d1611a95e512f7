// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/supervisor.hpp>
#include <cohort/upgrade_options.hpp>
#include <cohort/upgrade_result.hpp>

#include <asio/async_result.hpp>

#include <system_error>
#include <utility>

namespace cohort {

/// Replaces this program by a newer one, without a moment in which nobody listens: the new one gets
/// everything that is listened on here, with what the kernel has queued there, and serves beside
/// this one until all its groups are ready. From then on it counts, and the workers of this one
/// drain, until `supervisor::run` ends.
///
/// The new program is one that runs a supervisor as well; what it listens on where this one does is
/// that listener, and what nobody has asked for by the time this one has ended is closed. It has
/// the environment and the arguments of this one, unless `options` say otherwise. The pid file gets
/// its number, and systemd hears which process the service is; until then the new one writes
/// neither these nor the status file. When this program is gone it is a child of whoever adopts
/// orphans.
///
/// Nothing changes here when the new program cannot be started, ends, is not ready in time, says
/// something else, or cannot be announced to systemd: it gets SIGTERM, SIGKILL after
/// `drain_deadline`, and the next upgrade finds nothing of it.
///
/// Connections of whatever policy stay with the workers that have them; those that were accepted
/// and not taken are taken by the workers here, or, when none is left, by those of the new program.
/// Where workers have sockets of their own
/// (`reuse_port`) all of them are passed on, but those for datagrams, of which one is. A new
/// program with another distribution of connections may be unable to listen, and then this one goes
/// on.
///
/// Completes when the new program counts, or when the last of it is gone.
///
/// Completion signature: `void(std::error_code, upgrade_result)`.
/// Per-operation cancellation: all types. The wait ends at once, and so does the new program
/// unless it counts already.
/// Errors: `error::upgrade_failed` (the result says why, and an `error_event` as well),
/// `error::busy` while one is under way, its end included, or while the program before this one may
/// go on, `error::shutting_down` when the supervisor does not run or is to end, what copying the
/// descriptors gives, `operation_aborted`. Where none was begun the result is `unknown`.
/// Thread safety: as the supervisor's other functions. Destroying the supervisor kills a new
/// program that does not count yet.
/// Source: nginx; tableflip.
template <class Policy, class Protocol, class Token = default_token_t<>>
auto upgrade(supervisor<Policy, Protocol>& supervisor,
    const upgrade_options& options = upgrade_options(), Token&& token = Token())
{
  const auto core = detail::supervisor_access::core(supervisor);
  using core_pointer = std::remove_const_t<decltype(core)>;
  return asio::async_initiate<Token, void(std::error_code, upgrade_result)>(
      [](auto handler, core_pointer from, upgrade_options how) {
        from->tenure().upgrade(how, std::move(handler));
      },
      token, core, options);
}

} // namespace cohort
