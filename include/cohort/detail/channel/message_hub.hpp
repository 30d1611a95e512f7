// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/async/wait_queue.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// A channel of many that are received from together.
template <class Received>
class message_source {
public:
  /// Somebody waits now: reads.
  virtual void want() = 0;
  /// Gives the first message that was read and is nobody's yet.
  virtual bool take(Received& into) = 0;
  /// How many bytes of such messages there are.
  virtual std::size_t held_bytes() const noexcept = 0;

protected:
  ~message_source() = default;
};

/// Those who wait for the next message of any channel.
template <class Received>
class message_hub {
public:
  using source = message_source<Received>;

  explicit message_hub(const asio::any_io_executor& executor)
      : executor_(executor),
        waiting_(executor)
  {
  }

  bool waiting() const noexcept { return !waiting_.empty(); }

  void add(std::weak_ptr<source> channel);

  /// Keeps a channel that has ended with what it left, for the next who asks. When that is much,
  /// the oldest ones are let go; who holds one of them can still receive there.
  void keep(std::shared_ptr<source> channel);

  /// A message of some channel. False: nobody waits, and it is still the caller's.
  bool offer(Received& message);

  /// `void(std::error_code, Received)`.
  template <class Handler>
  void receive(Handler&& handler);

  void close();

  /// Called when a channel was let go that nobody else holds: its messages are lost.
  std::function<void()> on_loss;

private:
  // Beside what the last one left.
  static constexpr std::size_t max_kept_ = 8 * 1024 * 1024;

  bool take(Received& into);

  asio::any_io_executor executor_;
  wait_queue<Received> waiting_;
  std::vector<std::weak_ptr<source>> channels_;
  std::vector<std::shared_ptr<source>> ended_;
  // Whose turn it is: each channel gives one message in a round.
  std::size_t next_ = 0;
  bool closed_ = false;
};

// Implementation

template <class Received>
void message_hub<Received>::add(std::weak_ptr<source> channel)
{
  std::erase_if(channels_, [](const auto& each) { return each.expired(); });
  channels_.push_back(std::move(channel));
}

template <class Received>
void message_hub<Received>::keep(std::shared_ptr<source> channel)
{
  if (closed_) return;
  std::erase_if(ended_, [](const auto& each) { return each->held_bytes() == 0; });
  std::size_t before = 0;
  for (const auto& each : ended_) before += each->held_bytes();
  while (before > max_kept_) {
    const auto oldest = std::move(ended_.front());
    ended_.erase(ended_.begin());
    before -= oldest->held_bytes();
    if (oldest.use_count() == 1 && on_loss) on_loss();
  }
  ended_.push_back(std::move(channel));
}

template <class Received>
bool message_hub<Received>::offer(Received& message)
{
  return waiting() && waiting_.complete_one(std::error_code(), std::move(message));
}

template <class Received>
bool message_hub<Received>::take(Received& into)
{
  while (!ended_.empty()) {
    if (ended_.front()->take(into)) return true;
    ended_.erase(ended_.begin());
  }
  for (std::size_t i = 0; i != channels_.size(); ++i) {
    next_ = (next_ + 1) % channels_.size();
    if (const auto channel = channels_[next_].lock(); channel && channel->take(into)) return true;
  }
  return false;
}

template <class Received>
template <class Handler>
void message_hub<Received>::receive(Handler&& handler)
{
  Received message;
  if (take(message))
    return complete_later<Received>(
        executor_, std::forward<Handler>(handler), std::error_code(), std::move(message));
  if (closed_)
    return complete_later<Received>(
        executor_, std::forward<Handler>(handler), asio::error::operation_aborted, Received());
  waiting_.add(std::forward<Handler>(handler));
  for (std::size_t i = 0; i != channels_.size() && waiting(); ++i) {
    next_ = (next_ + 1) % channels_.size();
    if (const auto channel = channels_[next_].lock()) channel->want();
  }
}

template <class Received>
void message_hub<Received>::close()
{
  closed_ = true;
  channels_.clear();
  ended_.clear();
  waiting_.complete_all(asio::error::operation_aborted);
}

} // namespace cohort::detail
