// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/error.hpp>

#include <cstdint>
#include <string_view>
#include <system_error>

namespace cohort {

/// What became of a message that was sent by a plain call.
enum class send_status : std::uint8_t {
  /// Queued; the kernel has it before long.
  accepted,
  /// Queued, but more than the high-water mark waits: time for `flushed()`.
  congested,
  /// Not queued: with it more than the queue's limit would wait. What was given away may be gone.
  queue_full,
  /// Not queued: the peer is gone, or this side has ended its stream.
  not_connected,
  /// Not queued: it is larger than the limit for one message, or than the whole queue's. What was
  /// given away may be gone.
  message_too_large,
  /// Not queued: one of the handles cannot be sent, or could not be asked what it is, or there are
  /// more than 64.
  handle_refused,
};

/// Whether the message was queued.
constexpr bool is_sent(send_status status) noexcept
{
  return status == send_status::accepted || status == send_status::congested;
}

constexpr std::string_view to_string(send_status status) noexcept
{
  switch (status) {
  case send_status::accepted: return "accepted";
  case send_status::congested: return "congested";
  case send_status::queue_full: return "queue_full";
  case send_status::not_connected: return "not_connected";
  case send_status::message_too_large: return "message_too_large";
  case send_status::handle_refused: return "handle_refused";
  }
  return "unknown";
}

/// The same as an error code, where a message was not queued. `handle_refused` is
/// `error::wrong_handle`, also when there are too many.
inline std::error_code to_error(send_status status) noexcept
{
  switch (status) {
  case send_status::accepted:
  case send_status::congested: break;
  case send_status::queue_full: return error::queue_full;
  case send_status::not_connected: return error::disconnected;
  case send_status::message_too_large: return error::message_too_large;
  case send_status::handle_refused: return error::wrong_handle;
  }
  return std::error_code();
}

} // namespace cohort
