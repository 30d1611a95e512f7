// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/worker_id.hpp>

namespace cohort::detail {

/// Passes on what worker `sender` has said to those of `workers` whom it is for, and who are not
/// the sender itself. Whether there is one who takes messages still, if not always this one.
///
/// `workers` is a map by `worker_id` of pointers to what has `group()` and `pass_on(message,
/// sender)`, which is false for one who takes nothing any more.
template <class Workers>
bool relay_to(const Workers& workers, worker_id sender, const wire::message_view& message);

// Implementation

template <class Workers>
bool relay_to(const Workers& workers, worker_id sender, const wire::message_view& message)
{
  if (message.sequence != 0) {
    if (message.sequence == sender || message.sequence > worker_id(-1)) return false;
    const auto found = workers.find(static_cast<worker_id>(message.sequence));
    return found != workers.end() && found->second->pass_on(message, sender);
  }
  bool any = false;
  for (const auto& [id, worker] : workers) {
    const bool is_meant = message.group.empty() || worker->group() == message.group;
    if (id != sender && is_meant && worker->pass_on(message, sender)) any = true;
  }
  return any;
}

} // namespace cohort::detail
