// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/cluster.hpp>
#include <cohort/config.hpp>
#include <cohort/detail/supervision/cluster_reload.hpp>
#include <cohort/reload_options.hpp>
#include <cohort/reload_result.hpp>
#include <cohort/supervisor.hpp>

#include <asio/async_result.hpp>

#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace cohort {

/// Replaces all workers of a cluster by new ones, as many: a new one is ready before an old one
/// leaves, and if a new one fails, the new ones leave again and the old ones stay.
///
/// The old workers leave as by `worker::disconnect`: a program that replaces workers that end has
/// to leave out those of a `voluntary` `exit_event`. Workers that are forked meanwhile are not
/// replaced, and one that dies before its turn is not either. New workers have 30 seconds to be
/// ready. When all is done the settings of `options` are those of the cluster, and their generation
/// is one more than before; `reload_event` is published.
///
/// Completes when the last old worker has ended, or after a failure the last new one. Where new
/// ones had taken over already and none as before can be started any more, that is given up in the
/// end: then the new ones leave all the same, while it completes, and it is the program's to
/// replace them.
///
/// Completion signature: `void(std::error_code, reload_result)`.
/// Per-operation cancellation: all types. The wait ends at once, and if nobody else waits for it
/// the reload is rolled back, unless all the new workers had taken over. Errors:
/// `error::reload_failed` (the result says why), `error::busy` while one is under way, unless
/// `options` say to join it, `error::shutting_down` while the cluster ends, `operation_aborted`.
/// Source: strong-cluster-control, naught.
template <class Policy, class Protocol, class Token = default_token_t<>>
auto reload(
    cluster<Policy, Protocol>& cluster, const reload_options& options, Token&& token = Token())
{
  using core_type = detail::cluster_core<Policy>;
  return asio::async_initiate<Token, void(std::error_code, reload_result)>(
      [](auto handler, std::shared_ptr<core_type> core, reload_options how) {
        detail::cluster_reload<core_type>::start(std::move(core), std::move(handler), how);
      },
      token, detail::cluster_access::core(cluster).shared_from_this(), options);
}

/// As `supervisor::reload` of one group.
template <class Policy, class Protocol, class Token = default_token_t<>>
auto reload(supervisor<Policy, Protocol>& supervisor, std::string_view group,
    const reload_options& options, Token&& token = Token())
{
  return supervisor.reload(group, options, std::forward<Token>(token));
}

/// As `supervisor::reload` of all groups.
template <class Policy, class Protocol, class Token = default_token_t<>>
auto reload(supervisor<Policy, Protocol>& supervisor, const reload_options& options,
    Token&& token = Token())
{
  return supervisor.reload(options, std::forward<Token>(token));
}

} // namespace cohort
