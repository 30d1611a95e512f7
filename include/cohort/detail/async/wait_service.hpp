// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>

#include <mutex>

namespace cohort::detail {

class wait_service;

/// A queue of waiting handlers that its execution context can empty when it shuts down.
class wait_queue_base {
public:
  wait_queue_base(const wait_queue_base&) = delete;
  wait_queue_base& operator=(const wait_queue_base&) = delete;

protected:
  explicit wait_queue_base(const asio::any_io_executor& executor);
  ~wait_queue_base();

private:
  friend class wait_service;

  /// Destroys the handlers without calling them.
  virtual void destroy_waiting() noexcept = 0;

  // Null once the context has shut down, which some handles outlive.
  wait_service* service_;
  wait_queue_base* previous_ = nullptr;
  wait_queue_base* next_ = nullptr;
};

/// Knows every queue of one execution context. A suspended coroutine often owns, through a handle,
/// the very queue that its handler sits in; at the end of the context this service breaks the
/// cycle.
class wait_service : public asio::execution_context::service {
public:
  static inline asio::execution_context::id id;

  explicit wait_service(asio::execution_context& context) : service(context) {}

  void add(wait_queue_base& queue) noexcept;
  void remove(wait_queue_base& queue) noexcept;

private:
  void shutdown() noexcept override;
  void unlink(wait_queue_base& queue) noexcept;

  // Queues of distinct objects on the same context may come and go on different threads.
  std::mutex mutex_;
  wait_queue_base* first_ = nullptr;
};

// Implementation

inline wait_queue_base::wait_queue_base(const asio::any_io_executor& executor)
    : service_(&asio::use_service<wait_service>(asio::query(executor, asio::execution::context)))
{
  service_->add(*this);
}

inline wait_queue_base::~wait_queue_base()
{
  if (service_) service_->remove(*this);
}

inline void wait_service::add(wait_queue_base& queue) noexcept
{
  const std::lock_guard lock(mutex_);
  queue.next_ = first_;
  if (first_) first_->previous_ = &queue;
  first_ = &queue;
}

inline void wait_service::remove(wait_queue_base& queue) noexcept
{
  const std::lock_guard lock(mutex_);
  unlink(queue);
}

inline void wait_service::unlink(wait_queue_base& queue) noexcept
{
  if (queue.previous_) queue.previous_->next_ = queue.next_;
  else if (first_ == &queue) first_ = queue.next_;
  if (queue.next_) queue.next_->previous_ = queue.previous_;
  queue.previous_ = queue.next_ = nullptr;
}

inline void wait_service::shutdown() noexcept
{
  for (;;) {
    wait_queue_base* queue = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (!first_) return;
      queue = first_;
      unlink(*queue);
      queue->service_ = nullptr;
    }
    // Destroying a handler may end this queue or any other.
    queue->destroy_waiting();
  }
}

} // namespace cohort::detail
