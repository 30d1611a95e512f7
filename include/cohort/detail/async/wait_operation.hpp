// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/recycling_allocator.hpp>

#include <memory>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cohort::detail {

template <class... Args>
class wait_operation_list;

/// What a list tells its owner.
class wait_list_owner {
public:
  /// A handler has been taken out by its cancellation slot.
  virtual void wait_cancelled() = 0;

protected:
  ~wait_list_owner() = default;
};

/// A handler on its way to its executor, with its arguments. They lie still meanwhile: an executor
/// moves what it is given many times.
class posted_operation {
public:
  /// Calls the handler, and frees this.
  virtual void deliver() = 0;
  /// Frees this without calling the handler.
  virtual void destroy() noexcept = 0;

protected:
  ~posted_operation() = default;
};

/// What is posted: of one type for all handlers, so that Asio's part is compiled once.
template <class Allocator>
class posted_delivery {
public:
  using allocator_type = Allocator;

  posted_delivery(posted_operation* operation, const Allocator& allocator) noexcept
      : operation_(operation),
        allocator_(allocator)
  {
  }
  posted_delivery(posted_delivery&& other) noexcept
      : operation_(std::exchange(other.operation_, nullptr)),
        allocator_(other.allocator_)
  {
  }
  ~posted_delivery()
  {
    if (operation_) operation_->destroy();
  }

  allocator_type get_allocator() const noexcept { return allocator_; }
  void operator()() { std::exchange(operation_, nullptr)->deliver(); }

private:
  posted_operation* operation_;
  [[no_unique_address]] Allocator allocator_;
};

/// A completion handler of any type that waits in a list.
/// (Asio has `any_completion_handler` only since 1.26.)
template <class... Args>
class wait_operation : public posted_operation {
public:
  /// Posts the handler with these arguments, and frees this.
  virtual void complete(std::error_code error, Args... args) = 0;

protected:
  ~wait_operation() = default;
  wait_operation() = default;
  wait_operation(const wait_operation&) = delete;
  wait_operation& operator=(const wait_operation&) = delete;

  wait_operation_list<Args...>* list_ = nullptr;

private:
  friend class wait_operation_list<Args...>;

  wait_operation* previous_ = nullptr;
  wait_operation* next_ = nullptr;
};

/// An intrusive list of waiting handlers; does not own them.
template <class... Args>
class wait_operation_list {
public:
  /// The owner, if there is one, outlives the list.
  explicit wait_operation_list(wait_list_owner* owner = nullptr) noexcept : owner_(owner) {}
  /// Takes the handlers only.
  wait_operation_list(wait_operation_list&& other) noexcept;
  wait_operation_list& operator=(wait_operation_list&&) = delete;

  bool empty() const noexcept { return first_ == nullptr; }
  void push_back(wait_operation<Args...>* operation) noexcept;
  wait_operation<Args...>* pop_front() noexcept;
  void remove(wait_operation<Args...>* operation) noexcept;
  /// The same because it was cancelled.
  void cancel(wait_operation<Args...>* operation);

private:
  wait_list_owner* owner_ = nullptr;
  wait_operation<Args...>* first_ = nullptr;
  wait_operation<Args...>* last_ = nullptr;
};

/// An executor that counts as work of its context as long as it exists. As Asio's own operations
/// do it: `executor_work_guard` does not compile for every executor of Asio 1.22.
template <class Executor>
using working_executor = std::decay_t<decltype(asio::prefer(
    std::declval<const Executor&>(), asio::execution::outstanding_work.tracked))>;

template <class Executor>
working_executor<Executor> keep_working(const Executor& executor)
{
  return asio::prefer(executor, asio::execution::outstanding_work.tracked);
}

template <class Handler, class... Args>
class wait_operation_for final : public wait_operation<Args...> {
public:
  static wait_operation_for* create(Handler handler, const asio::any_io_executor& executor);

  void complete(std::error_code error, Args... args) override;
  void destroy() noexcept override;

private:
  // Handlers without an allocator of their own share Asio's recycled blocks.
  using handler_allocator = asio::associated_allocator_t<Handler, asio::recycling_allocator<void>>;
  using allocator =
      typename std::allocator_traits<handler_allocator>::template rebind_alloc<wait_operation_for>;
  using traits = std::allocator_traits<allocator>;
  using handler_executor = asio::associated_executor_t<Handler, asio::any_io_executor>;

  struct cancel {
    wait_operation_for* operation;

    void operator()(asio::cancellation_type type) noexcept
    {
      if (type == asio::cancellation_type::none) return;
      // This object stays in the slot while the handler is on its way; a second signal finds
      // nothing.
      wait_operation_for* const self = std::exchange(operation, nullptr);
      if (self) self->abort();
    }
  };

  wait_operation_for(Handler handler, const asio::any_io_executor& executor);
  friend traits;

  handler_allocator get_allocator() const noexcept
  {
    return asio::get_associated_allocator(handler_, asio::recycling_allocator<void>());
  }

  void abort();
  template <class... Values>
  void post(std::error_code error, Values&&... values);
  void deliver() override;

  Handler handler_;
  working_executor<asio::any_io_executor> io_work_;
  working_executor<handler_executor> handler_work_;
  std::error_code error_;
  std::optional<std::tuple<Args...>> values_;
};

// Implementation

template <class... Args>
wait_operation_list<Args...>::wait_operation_list(wait_operation_list&& other) noexcept
    : first_(std::exchange(other.first_, nullptr)),
      last_(std::exchange(other.last_, nullptr))
{
  for (auto* operation = first_; operation; operation = operation->next_) operation->list_ = this;
}

template <class... Args>
void wait_operation_list<Args...>::push_back(wait_operation<Args...>* operation) noexcept
{
  operation->list_ = this;
  operation->previous_ = last_;
  (last_ ? last_->next_ : first_) = operation;
  last_ = operation;
}

template <class... Args>
wait_operation<Args...>* wait_operation_list<Args...>::pop_front() noexcept
{
  wait_operation<Args...>* const operation = first_;
  if (operation) remove(operation);
  return operation;
}

template <class... Args>
void wait_operation_list<Args...>::remove(wait_operation<Args...>* operation) noexcept
{
  (operation->previous_ ? operation->previous_->next_ : first_) = operation->next_;
  (operation->next_ ? operation->next_->previous_ : last_) = operation->previous_;
  operation->previous_ = operation->next_ = nullptr;
  operation->list_ = nullptr;
}

template <class... Args>
void wait_operation_list<Args...>::cancel(wait_operation<Args...>* operation)
{
  remove(operation);
  if (owner_) owner_->wait_cancelled();
}

template <class Handler, class... Args>
wait_operation_for<Handler, Args...>::wait_operation_for(
    Handler handler, const asio::any_io_executor& executor)
    : handler_(std::move(handler)),
      io_work_(keep_working(executor)),
      handler_work_(keep_working(asio::get_associated_executor(handler_, executor)))
{
}

template <class Handler, class... Args>
wait_operation_for<Handler, Args...>* wait_operation_for<Handler, Args...>::create(
    Handler handler, const asio::any_io_executor& executor)
{
  allocator memory(asio::get_associated_allocator(handler, asio::recycling_allocator<void>()));
  auto* const self = traits::allocate(memory, 1);
  // Only the handler's move can throw here; handlers are required not to.
  ::new (static_cast<void*>(self)) wait_operation_for(std::move(handler), executor);
  auto slot = asio::get_associated_cancellation_slot(self->handler_);
  if (slot.is_connected()) slot.template emplace<cancel>(cancel{self});
  return self;
}

template <class Handler, class... Args>
void wait_operation_for<Handler, Args...>::complete(std::error_code error, Args... args)
{
  auto slot = asio::get_associated_cancellation_slot(handler_);
  if (slot.is_connected()) slot.clear();
  post(error, std::move(args)...);
}

template <class Handler, class... Args>
void wait_operation_for<Handler, Args...>::abort()
{
  if (this->list_) this->list_->cancel(this);
  post(asio::error::operation_aborted, Args()...);
}

template <class Handler, class... Args>
template <class... Values>
void wait_operation_for<Handler, Args...>::post(std::error_code error, Values&&... values)
{
  error_ = error;
  values_.emplace(std::forward<Values>(values)...);
  // Both end when the handler is on its way: it may run in a thread of another context, and this
  // one may be gone before that is through with it.
  [[maybe_unused]] const auto io_work = std::move(io_work_);
  const auto handler_work = std::move(handler_work_);
  asio::post(handler_work, posted_delivery<handler_allocator>(this, get_allocator()));
}

template <class Handler, class... Args>
void wait_operation_for<Handler, Args...>::deliver()
{
  allocator memory(get_allocator());
  Handler handler(std::move(handler_));
  const std::error_code error = error_;
  std::tuple<Args...> values(std::move(*values_));
  // So that what the handler starts can have this memory.
  traits::destroy(memory, this);
  traits::deallocate(memory, this, 1);
  std::apply([&](Args&... each) { std::move(handler)(error, std::move(each)...); }, values);
}

template <class Handler, class... Args>
void wait_operation_for<Handler, Args...>::destroy() noexcept
{
  allocator memory(get_allocator());
  // The handler goes last: it may own what holds the queue this waited in.
  [[maybe_unused]] const Handler handler(std::move(handler_));
  traits::destroy(memory, this);
  traits::deallocate(memory, this, 1);
}

} // namespace cohort::detail
