// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/error.hpp>

#include <cstddef>
#include <deque>

namespace cohort::detail {

/// A bounded queue of values that are awaited one by one, each delivered once and in order.
///
/// A value that finds the mailbox full is dropped, and the reader gets `error::events_lost` in its
/// place. After `close` what is left is still delivered, then every wait fails with the code given.
template <class Value>
class mailbox {
public:
  mailbox(const asio::any_io_executor& executor, std::size_t capacity)
      : waiting_(executor),
        capacity_(capacity)
  {
  }

  void push(Value value);
  void close(std::error_code reason);

  /// Adds a completion handler with signature `void(std::error_code, Value)` for the next value.
  /// Cancelling it loses none.
  template <class Handler>
  void add(Handler&& handler);

private:
  void deliver();

  wait_queue<Value> waiting_;
  std::deque<Value> values_;
  std::size_t capacity_;
  bool lost_ = false;
  std::error_code closed_;
};

// Implementation

template <class Value>
void mailbox<Value>::push(Value value)
{
  if (closed_) return;
  if (lost_ || values_.size() == capacity_) {
    lost_ = true;
    return;
  }
  values_.push_back(std::move(value));
  deliver();
}

template <class Value>
void mailbox<Value>::close(std::error_code reason)
{
  if (closed_) return;
  closed_ = reason;
  deliver();
}

template <class Value>
template <class Handler>
void mailbox<Value>::add(Handler&& handler)
{
  waiting_.add(std::forward<Handler>(handler));
  deliver();
}

template <class Value>
void mailbox<Value>::deliver()
{
  while (!waiting_.empty() && !values_.empty()) {
    Value value = std::move(values_.front());
    values_.pop_front();
    waiting_.complete_one(std::error_code(), std::move(value));
  }
  if (waiting_.empty() || !values_.empty()) return;
  if (lost_) {
    lost_ = false;
    waiting_.complete_one(error::events_lost, Value());
  }
  if (closed_) waiting_.complete_all(closed_);
}

} // namespace cohort::detail
