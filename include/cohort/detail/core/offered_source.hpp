// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/accept_source.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/error.hpp>

#include <asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>

namespace cohort::detail {

/// What a worker's listeners say to its primary.
class control_port {
public:
  virtual void send(const wire::listen& message) = 0;
  virtual void send(const wire::listening& message) = 0;
  /// All or nothing: false when the channel has no room now; `offered_source::writable` follows.
  virtual bool try_send(const wire::taken& message) = 0;
  virtual void send(const wire::credit& message) = 0;
  virtual void send(const wire::refused& message) = 0;
  virtual void send(const wire::released& message) = 0;
  virtual void send(const wire::accepted& message) = 0;
  virtual void send(const wire::close& message) = 0;

protected:
  ~control_port() = default;
};

/// Connections that the primary offers: credit, acknowledgements and refusals of one listener.
///
/// An offer waits here, unacknowledged, until the program asks for a connection. The
/// acknowledgement is written before the program gets it; when the channel has no room, both wait.
/// Nothing is on offer before the program first asks, and after it has cancelled until it asks
/// again; between one accept and the next the credit stays.
class offered_source : public accept_source {
public:
  /// `port` is the owner's; it outlives its use because the owner is held.
  offered_source(const asio::any_io_executor& executor, std::shared_ptr<source_owner> owner,
      control_port& port, const posix::socket_address& address, std::uint32_t listener,
      std::uint32_t credit)
      : accept_source(executor, std::move(owner), address),
        port_(port),
        listener_(listener),
        credit_(credit),
        retry_(executor)
  {
  }

  std::uint32_t listener() const noexcept { return listener_; }

  /// The primary offers these connections, numbered from `first`.
  /// @param count how many it sent; fewer have arrived when `truncated`.
  void offered(std::uint64_t first, std::uint16_t count, std::span<posix::unique_fd> sockets,
      bool truncated);

  /// Whether this worker may accept at once what others might, or lets them go first. Of those who
  /// are offered no other one has a chance.
  virtual void set_turn(bool) {}

  /// The channel has room again.
  void writable()
  {
    if (is_open()) serve();
  }

protected:
  void serve() override;
  void live_changed() override;
  void unwanted() override;
  void unusable() override;
  void stop() override;

  control_port& port() noexcept { return port_; }

private:
  struct offer {
    std::uint64_t sequence;
    posix::unique_fd socket;
  };

  // Ends of connections are reported with the next acknowledgement, or in groups, or when none
  // lives.
  static constexpr std::uint16_t report_after_ = 8;
  static constexpr std::chrono::milliseconds first_retry_{20};
  static constexpr std::chrono::milliseconds last_retry_{500};

  void refuse(std::uint64_t first, std::size_t count, wire::refuse_reason reason);
  void refuse_from(std::size_t begin, wire::refuse_reason reason);
  void update_credit();
  void set_credit(std::uint32_t window);
  void retry_later();

  control_port& port_;
  std::uint32_t listener_;
  std::uint32_t credit_;
  // What the primary believes.
  std::uint32_t granted_ = 0;
  // Whether the program asks for connections, if not at this very moment.
  bool asked_ = false;
  std::uint16_t unreported_ = 0;
  std::deque<offer> offers_;
  asio::steady_timer retry_;
  std::chrono::milliseconds retry_pause_ = first_retry_;
  bool retrying_ = false;
};

// Implementation

inline void offered_source::serve()
{
  asked_ = asked_ || wanted();
  while (wanted() && room() > 0 && !offers_.empty()) {
    wire::taken taken;
    taken.listener = listener_;
    taken.first = offers_.front().sequence;
    taken.count = 1;
    taken.released = unreported_;
    if (!port_.try_send(taken)) break;
    unreported_ = 0;
    posix::unique_fd socket = std::move(offers_.front().socket);
    offers_.pop_front();
    deliver(std::move(socket));
  }
  if (offers_.size() > room()) refuse_from(room(), wire::refuse_reason::no_room);
  update_credit();
}

inline void offered_source::offered(
    std::uint64_t first, std::uint16_t count, std::span<posix::unique_fd> sockets, bool truncated)
{
  if (!is_open()) return refuse(first, count, wire::refuse_reason::draining);
  if (truncated || sockets.size() != count) {
    // The descriptor table is full: what did arrive is closed by the caller.
    refuse(first, count, wire::refuse_reason::no_room);
    return retry_later();
  }
  if (!retrying_) retry_pause_ = first_retry_;
  for (std::size_t i = 0; i != count; ++i)
    offers_.push_back(offer{first + i, std::move(sockets[i])});
  // It crossed the cancellation, or the pause after one that was of no use.
  if (!asked_ || retrying_) return refuse_from(0, wire::refuse_reason::no_room);
  serve();
}

inline void offered_source::refuse(
    std::uint64_t first, std::size_t count, wire::refuse_reason reason)
{
  wire::refused message;
  message.listener = listener_;
  message.first = first;
  message.count = static_cast<std::uint16_t>(count);
  message.reason = reason;
  port_.send(message);
  // The primary takes the credit away with any such refusal, until it is granted anew.
  granted_ = 0;
}

inline void offered_source::update_credit()
{
  if (!asked_ || !is_open() || retrying_) return;
  // After an offer that could not be received one is tried first.
  const std::uint32_t credit = retry_pause_ == first_retry_ ? credit_ : 1;
  const auto window = static_cast<std::uint32_t>(std::min<std::size_t>(credit, room()));
  set_credit(window);
}

inline void offered_source::set_credit(std::uint32_t window)
{
  if (window == granted_) return;
  granted_ = window;
  wire::credit message;
  message.listener = listener_;
  message.window = static_cast<std::uint16_t>(window);
  port_.send(message);
}

inline void offered_source::unwanted()
{
  asked_ = false;
  refuse_from(0, wire::refuse_reason::no_room);
  set_credit(0);
}

inline void offered_source::unusable()
{
  refuse_from(0, wire::refuse_reason::no_room);
  set_credit(0);
  retry_later();
}

inline void offered_source::retry_later()
{
  if (std::exchange(retrying_, true)) return;
  retry_.expires_after(retry_pause_);
  retry_pause_ = std::min(retry_pause_ * 2, last_retry_);
  retry_.async_wait([weak = weak_from_this()](std::error_code error) {
    const auto self = std::static_pointer_cast<offered_source>(weak.lock());
    if (error || !self || !self->is_open()) return;
    self->retrying_ = false;
    self->update_credit();
  });
}

inline void offered_source::live_changed()
{
  ++unreported_;
  if (lent() != 0 && unreported_ < report_after_) return;
  wire::released message;
  message.listener = listener_;
  message.count = std::exchange(unreported_, std::uint16_t(0));
  port_.send(message);
}

inline void offered_source::refuse_from(std::size_t begin, wire::refuse_reason reason)
{
  // Runs of consecutive numbers go into one frame.
  for (std::size_t first = begin; first != offers_.size();) {
    std::size_t end = first + 1;
    while (end != offers_.size() && offers_[end].sequence == offers_[end - 1].sequence + 1) ++end;
    refuse(offers_[first].sequence, end - first, reason);
    first = end;
  }
  offers_.erase(offers_.begin() + static_cast<std::ptrdiff_t>(begin), offers_.end());
}

inline void offered_source::stop()
{
  retry_.cancel();
  refuse_from(0, wire::refuse_reason::draining);
  // A drain says so for all listeners at once.
  if (closed() == error::draining) return;
  wire::close message;
  message.listener = listener_;
  port_.send(message);
}

} // namespace cohort::detail
