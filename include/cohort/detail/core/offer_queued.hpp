// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/handoff.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <span>

namespace cohort::detail {

/// Offers what is queued to the members, each run with one call of
/// `bool host.send_offer(worker_id, const wire::offer&, std::span<const int> descriptors)`. False
/// when some could not be sent.
template <class Connection, class Policy, class Host>
bool offer_queued(
    handoff<Connection, Policy>& connections, Host& host, std::uint32_t listener) noexcept
{
  bool all_sent = true;
  connections.dispatch(std::chrono::steady_clock::now(), [&](worker_id worker, auto run) noexcept {
    std::array<int, handoff<Connection, Policy>::max_run> descriptors;
    for (std::size_t i = 0; i != run.size(); ++i) descriptors[i] = run[i].connection.get();
    wire::offer message;
    message.listener = listener;
    message.first = run.front().sequence;
    message.count = static_cast<std::uint16_t>(run.size());
    const bool sent = host.send_offer(worker, message, std::span(descriptors).first(run.size()));
    all_sent = all_sent && sent;
    return sent;
  });
  return all_sent;
}

} // namespace cohort::detail
