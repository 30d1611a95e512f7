// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/channel/message_port.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <cstdint>
#include <memory>
#include <utility>

namespace cohort::detail {

/// When a worker that leaves is through with its messages: what the primary had sent is read, who
/// was at it has answered, and that has reached the primary.
class message_farewell {
public:
  /// Whether it is. When not, `port.on_progress` or `again` is called once there may be more to
  /// tell.
  ///
  /// Who receives at this moment may still answer: each turn of the event loop in which somebody
  /// got a message allows another one.
  template <class Function>
  bool done(message_port& port, const asio::any_io_executor& executor, Function again);

private:
  std::uint64_t handed_out_ = 0;
  // Behind the handlers that have been posted. One at a time, or the second would see no change.
  std::shared_ptr<bool> turn_;
};

// Implementation

template <class Function>
bool message_farewell::done(
    message_port& port, const asio::any_io_executor& executor, Function again)
{
  if (turn_ && !*turn_) return false;
  if (!port.input_ended() || port.serving()) return false;
  const std::uint64_t handed_out = port.handed_out();
  if (std::exchange(handed_out_, handed_out) != handed_out) {
    turn_ = std::make_shared<bool>(false);
    asio::post(executor, [over = turn_, again = std::move(again)]() mutable {
      *over = true;
      again();
    });
    return false;
  }
  port.finish();
  return port.settled();
}

} // namespace cohort::detail
