// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_operation.hpp>
#include <cohort/detail/async/wait_service.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>

#include <concepts>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cohort::detail {

/// Completion handlers that wait for something, first come, first served.
///
/// Signature `void(std::error_code, Args...)`; `Args` are default constructible and come empty
/// with an error. Handlers run on their associated executor by `post`, never inside a function of
/// this class. Cancellation of any type takes a handler out with `operation_aborted`; so does the
/// end of the queue. When the execution context shuts down first, the handlers are destroyed.
template <class... Args>
class wait_queue final : public wait_queue_base {
public:
  /// `owner` is told of cancelled handlers; it outlives the queue.
  explicit wait_queue(const asio::any_io_executor& executor, wait_list_owner* owner = nullptr);
  ~wait_queue();

  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  /// Adds a completion handler. Called inside an initiating function, while the queue certainly
  /// lives: a lazy operation may be started long after it was made.
  template <class Handler>
  void add(Handler&& handler);

  bool empty() const noexcept { return operations_.empty(); }

  /// Completes the first handler, if there is one.
  bool complete_one(std::error_code error, Args... args);

  /// Completes all that wait now, each with a copy of `args`.
  void complete_all(std::error_code error, const Args&... args) requires(
      sizeof...(Args) != 0 && (std::copyable<Args> && ...));

  /// Completes all that wait now, with empty values.
  void complete_all(std::error_code error);

  const asio::any_io_executor& get_executor() const noexcept { return executor_; }

private:
  void destroy_waiting() noexcept override;

  asio::any_io_executor executor_;
  wait_operation_list<Args...> operations_;
};

// Implementation

template <class... Args>
wait_queue<Args...>::wait_queue(const asio::any_io_executor& executor, wait_list_owner* owner)
    : wait_queue_base(executor),
      executor_(executor),
      operations_(owner)
{
}

template <class... Args>
wait_queue<Args...>::~wait_queue()
{
  complete_all(asio::error::operation_aborted);
}

template <class... Args>
template <class Handler>
void wait_queue<Args...>::add(Handler&& handler)
{
  using operation = wait_operation_for<std::decay_t<Handler>, Args...>;
  operations_.push_back(operation::create(std::forward<Handler>(handler), executor_));
}

template <class... Args>
bool wait_queue<Args...>::complete_one(std::error_code error, Args... args)
{
  wait_operation<Args...>* operation = operations_.pop_front();
  if (!operation) return false;
  operation->complete(error, std::move(args)...);
  return true;
}

template <class... Args>
void wait_queue<Args...>::complete_all(std::error_code error)
{
  wait_operation_list<Args...> now = std::move(operations_);
  while (wait_operation<Args...>* operation = now.pop_front())
    operation->complete(error, Args()...);
}

template <class... Args>
void wait_queue<Args...>::complete_all(std::error_code error, const Args&... args) requires(
    sizeof...(Args) != 0 && (std::copyable<Args> && ...))
{
  // What a completion adds in the meantime waits for the next event.
  wait_operation_list<Args...> now = std::move(operations_);
  while (wait_operation<Args...>* operation = now.pop_front()) operation->complete(error, args...);
}

template <class... Args>
void wait_queue<Args...>::destroy_waiting() noexcept
{
  wait_operation_list<Args...> now = std::move(operations_);
  while (wait_operation<Args...>* operation = now.pop_front()) operation->destroy();
}

} // namespace cohort::detail
