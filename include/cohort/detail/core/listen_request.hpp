// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/listen_options.hpp>

#include <cstdint>

namespace cohort::detail {

/// What is asked of the primary, by a worker or by its own program.
inline wire::listen listen_request(const listen_key& key, const listen_options& options)
{
  wire::listen message;
  key.describe_to(message);
  if (options.ipv6_only()) message.flags |= wire::listen_ipv6_only;
  if (options.hold_when_empty()) message.flags |= wire::listen_hold_when_empty;
  if (options.adaptive_credit()) message.flags |= wire::listen_paced;
  if (options.reuse_address() && wire::is_datagram(key.kind))
    message.flags |= wire::listen_reuse_address;
  message.backlog = static_cast<std::uint32_t>(options.backlog());
  message.mode = options.mode();
  message.data = wire::shared_bytes(options.shared_data());
  return message;
}

} // namespace cohort::detail
