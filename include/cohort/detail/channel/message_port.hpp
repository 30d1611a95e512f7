// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/send_status.hpp>
#include <cohort/worker_id.hpp>

#include <asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <system_error>

namespace cohort {

/// What a message channel has to tell while it goes on: a message was skipped, or the peer broke
/// the rules.
struct channel_problem {
  std::error_code code;
  /// Which message, and what is wrong with it.
  std::string what;
};

} // namespace cohort

namespace cohort::detail {

/// A message channel for those who do not know its types: the life cycle of a worker.
class message_port {
public:
  virtual ~message_port() = default;

  message_port(const message_port&) = delete;
  message_port& operator=(const message_port&) = delete;

  /// Ends this side's stream after what is queued; nothing more can be sent.
  virtual void finish() = 0;

  /// From now on reads although nobody receives, so that the peer can get rid of what it has.
  virtual void read_ahead() = 0;

  /// From now on reads although nobody receives, as far as there is room for what is not passed on.
  virtual void read_relays() = 0;

  /// Queues what worker `sender` has said to this one, unless it is congested.
  virtual send_status pass_on(const wire::message_view& relay, worker_id sender) = 0;

  /// From now on nothing is read, whoever receives, until `open`, or to the end.
  virtual void hold() = 0;
  virtual void open() = 0;

  /// The peer is certainly gone: reads what it had sent, and closes.
  virtual void read_to_end() = 0;

  /// Closes at once. Messages that were kept can still be received.
  virtual void close() = 0;

  /// The other side's stream has ended, and all of it is read.
  virtual bool input_ended() const noexcept = 0;
  /// How many messages were handed to receivers: as long as it grows, somebody is at it.
  virtual std::uint64_t handed_out() const noexcept = 0;
  /// A request is being served.
  virtual bool serving() const noexcept = 0;
  /// This side's stream has ended, and all of it is written or cannot be any more.
  virtual bool written() const noexcept = 0;
  /// Both streams have ended.
  bool settled() const noexcept { return input_ended() && written(); }

  /// Called when one of these may have changed after the end of either stream. Runs out of the
  /// event loop, never inside a call.
  std::function<void()> on_progress;
  /// Called with what a worker sends to others; without it that breaks the rules. Runs while
  /// something is read, and the message lies in there.
  std::function<void(const wire::message_view&)> on_relay;
  /// Called for every problem. May run inside a call.
  std::function<void(const channel_problem&)> on_problem;
  /// Called instead, likewise, when the peer broke the rules; nothing more comes from it.
  std::function<void(std::error_code)> on_violation;

protected:
  message_port() = default;
};

/// One side of a protocol, for those who do not know its types.
struct message_side {
  /// Makes the port of a channel to this worker.
  std::function<std::shared_ptr<message_port>(
      const asio::any_io_executor&, posix::unique_fd, const channel_options&, worker_id)>
      open;
  /// What both sides compare.
  std::uint64_t fingerprint = 0;
};

} // namespace cohort::detail
