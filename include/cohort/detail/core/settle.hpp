// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/worker_state.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

namespace cohort::detail {

/// Passes on what a worker says that is not heard any more, as far as it counts: what becomes of
/// its connections, so that none of them is given to two workers.
///
/// @return false when that contradicts what `connections`, a `dispatcher`, knows.
template <class Connections, class Message>
bool settle(Connections& connections, worker_id worker, const Message& message, heeded counts)
{
  using wire::message_type;
  constexpr message_type type = Message::type;
  constexpr bool is_taken = type == message_type::taken;
  constexpr bool ends_something = type == message_type::refused || type == message_type::close ||
                                  type == message_type::accepted || type == message_type::released;
  if constexpr (is_taken || ends_something)
    if (counts >= (is_taken ? heeded::taken : heeded::connections))
      return connections.received(worker, message);
  return true;
}

} // namespace cohort::detail
