// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace cohort {

/// What this library itself reports; system calls report `std::system_category()` codes.
enum class error {
  /// The cluster is ending: no worker is started any more.
  shutting_down = 1,
  /// This worker is draining: it listens nowhere and takes no connection any more.
  draining,
  /// The worker ended, or its channel did, before what was waited for happened.
  worker_gone,
  /// The peer of a channel has gone, nothing more can be sent or received.
  disconnected,
  /// The other process broke the control protocol; its channels were closed.
  protocol_violation,
  /// The other process speaks another version of the control protocol.
  version_mismatch,
  /// A frame announced more payload than the limit of its channel.
  message_too_large,
  /// The stream ended, or descriptors were lost, in the middle of a frame.
  truncated,
  /// This process was not started by a cluster, or its channels were adopted before.
  not_a_worker,
  /// A subscriber was slower than its bound allows: events between the last one and the next are
  /// lost.
  events_lost,
  /// The wait ended because the deadline passed.
  timed_out,
  /// The bytes of a message are not what its type asks for; it was skipped.
  invalid_message,
  /// A message of a type that is not in this side's list; it was skipped.
  unknown_message,
  /// A message whose type has another layout on the other side; it was skipped.
  schema_mismatch,
  /// A descriptor of another kind than what was asked for, or one that cannot be sent.
  wrong_handle,
  /// The other side failed to serve the request.
  request_failed,
  /// More would wait to be written than the channel allows.
  queue_full,
  /// What was asked for is under way already: a reload, an upgrade, `supervisor::run`.
  busy,
  /// A reload failed, and was rolled back.
  reload_failed,
  /// A supervised group has given up, and the supervisor was to end then.
  gave_up,
  /// No service manager has given this process a socket of that name, or it was closed.
  not_inherited,
  /// An upgrade failed: this program goes on.
  upgrade_failed,
};

/// What a program tests for; several codes may mean the same to it.
enum class condition {
  /// A normal end is under way: `error::shutting_down` or `error::draining`.
  ending = 1,
  /// The other process is gone: `error::worker_gone`, `error::disconnected`, or the system's
  /// codes for a broken connection.
  peer_gone,
};

/// The category of `error`.
const std::error_category& error_category() noexcept;

/// The category of `condition`.
const std::error_category& condition_category() noexcept;

std::error_code make_error_code(error value) noexcept;
std::error_condition make_error_condition(condition value) noexcept;

} // namespace cohort

template <>
struct std::is_error_code_enum<cohort::error> : std::true_type {
};
template <>
struct std::is_error_condition_enum<cohort::condition> : std::true_type {
};

// Implementation

namespace cohort::detail {

// Not named like the functions: inside this namespace their calls would make objects of these.
class category_of_errors final : public std::error_category {
public:
  const char* name() const noexcept override { return "cohort"; }

  std::string message(int value) const override
  {
    switch (static_cast<error>(value)) {
    case error::shutting_down: return "the cluster is shutting down";
    case error::draining: return "the worker is draining";
    case error::worker_gone: return "the worker is gone";
    case error::disconnected: return "the channel is disconnected";
    case error::protocol_violation: return "the peer broke the control protocol";
    case error::version_mismatch: return "the peer speaks another protocol version";
    case error::message_too_large: return "the message is larger than the limit";
    case error::truncated: return "the stream ended within a frame";
    case error::not_a_worker: return "this process was not started by a cluster";
    case error::events_lost: return "the subscriber was too slow: events were lost";
    case error::timed_out: return "the deadline passed";
    case error::invalid_message: return "the message is not what its type asks for";
    case error::unknown_message: return "the message's type is unknown here";
    case error::schema_mismatch: return "the message's type has another layout here";
    case error::wrong_handle: return "the descriptor is of the wrong kind";
    case error::request_failed: return "the request was not served";
    case error::queue_full: return "too much waits to be written";
    case error::busy: return "it is under way already";
    case error::reload_failed: return "the reload failed and was rolled back";
    case error::gave_up: return "a group of workers has given up";
    case error::not_inherited: return "no socket of that name was inherited";
    case error::upgrade_failed: return "the upgrade failed, and nothing has changed";
    }
    return "unknown cohort error";
  }
};

class category_of_conditions final : public std::error_category {
public:
  const char* name() const noexcept override { return "cohort.condition"; }

  std::string message(int value) const override
  {
    switch (static_cast<condition>(value)) {
    case condition::ending: return "a normal end is under way";
    case condition::peer_gone: return "the other process is gone";
    }
    return "unknown cohort condition";
  }

  bool equivalent(const std::error_code& code, int value) const noexcept override
  {
    switch (static_cast<condition>(value)) {
    case condition::ending: return code == error::shutting_down || code == error::draining;
    case condition::peer_gone:
      return code == error::worker_gone || code == error::disconnected || is_errno(code, EPIPE) ||
             is_errno(code, ECONNRESET);
    }
    return false;
  }

private:
  // Asio has a category of its own for errno, which knows few of std's conditions. It is told by
  // its name, as this header needs nothing of Asio.
  static bool is_errno(const std::error_code& code, int value) noexcept
  {
    return code.value() == value &&
           (code == std::error_code(value, std::system_category()).default_error_condition() ||
               std::string_view(code.category().name()) == "asio.system");
  }
};

} // namespace cohort::detail

namespace cohort {

inline const std::error_category& error_category() noexcept
{
  static const detail::category_of_errors category;
  return category;
}

inline const std::error_category& condition_category() noexcept
{
  static const detail::category_of_conditions category;
  return category;
}

inline std::error_code make_error_code(error value) noexcept
{
  return {static_cast<int>(value), error_category()};
}

inline std::error_condition make_error_condition(condition value) noexcept
{
  return {static_cast<int>(value), condition_category()};
}

} // namespace cohort
