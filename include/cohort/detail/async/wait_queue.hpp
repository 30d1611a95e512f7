// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_operation.hpp>
#include <cohort/detail/async/wait_service.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>

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
class wait_queue : public wait_queue_base {
public:
  explicit wait_queue(const asio::any_io_executor& executor);
  ~wait_queue();

  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  /// Adds the handler of `token`; `started()` is called right afterwards and may complete it.
  template <class Started, class Token>
  auto async_wait(Started started, Token&& token);

  bool empty() const noexcept { return operations_.empty(); }

  /// Completes the first handler, if there is one.
  bool complete_one(std::error_code error, Args... args);

  /// Completes all that wait now.
  void complete_all(std::error_code error, const Args&... args);

  const asio::any_io_executor& get_executor() const noexcept { return executor_; }

private:
  void destroy_waiting() noexcept override;

  asio::any_io_executor executor_;
  wait_operation_list<Args...> operations_;
};

// Implementation

template <class... Args>
wait_queue<Args...>::wait_queue(const asio::any_io_executor& executor)
    : wait_queue_base(executor), executor_(executor)
{
}

template <class... Args>
wait_queue<Args...>::~wait_queue()
{
  complete_all(asio::error::operation_aborted, Args()...);
}

template <class... Args>
template <class Started, class Token>
auto wait_queue<Args...>::async_wait(Started started, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, Args...)>(
      [this](auto handler, Started after) {
        using handler_type = std::decay_t<decltype(handler)>;
        operations_.push_back(
            wait_operation_for<handler_type, Args...>::create(std::move(handler), executor_));
        after();
      },
      token, std::move(started));
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
void wait_queue<Args...>::complete_all(std::error_code error, const Args&... args)
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
