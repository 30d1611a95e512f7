// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/async/wait_operation.hpp>

#include <asio/bind_allocator.hpp>
#include <asio/bind_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <new>
#include <vector>

namespace wait_operation_test {

using cohort::detail::wait_operation;
using cohort::detail::wait_operation_for;
using cohort::detail::wait_operation_list;

namespace {

// An operation of which only its place in lists matters.
struct numbered final : wait_operation<> {
  explicit numbered(int n) : number(n) {}
  void complete(std::error_code) override {}
  void deliver() override {}
  void destroy() noexcept override {}

  int number;
};

std::vector<int> numbers(wait_operation_list<>& list)
{
  std::vector<int> found;
  while (wait_operation<>* each = list.pop_front())
    found.push_back(static_cast<numbered*>(each)->number);
  return found;
}

struct counts {
  std::size_t allocated = 0;
  std::size_t freed = 0;
};

template <class T = void>
struct counting_allocator {
  using value_type = T;

  explicit counting_allocator(counts& c) noexcept : shared(&c) {}
  template <class U>
  counting_allocator(const counting_allocator<U>& other) noexcept : shared(other.shared)
  {
  }

  T* allocate(std::size_t n)
  {
    ++shared->allocated;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* block, std::size_t n) noexcept
  {
    ++shared->freed;
    std::allocator<T>().deallocate(block, n);
  }
  template <class U>
  bool operator==(const counting_allocator<U>& other) const noexcept
  {
    return shared == other.shared;
  }

  counts* shared;
};

template <class... Args, class Handler>
wait_operation<Args...>* make(asio::io_context& context, Handler handler)
{
  return wait_operation_for<Handler, Args...>::create(std::move(handler), context.get_executor());
}

} // namespace

TEST_CASE("a list gives its operations in the order in which they came")
{
  numbered first(1), second(2), third(3);
  wait_operation_list<> list;
  CHECK(list.empty());
  list.push_back(&first);
  list.push_back(&second);
  list.push_back(&third);
  CHECK_FALSE(list.empty());
  CHECK(numbers(list) == std::vector<int>{1, 2, 3});
  CHECK(list.empty());
  CHECK(list.pop_front() == nullptr);
}

TEST_CASE("an operation can be taken out of a list wherever it stands")
{
  for (int out = 1; out <= 3; ++out) {
    numbered first(1), second(2), third(3), fourth(4);
    wait_operation_list<> list;
    for (numbered* each : {&first, &second, &third}) list.push_back(each);
    list.remove(out == 1 ? &first : out == 2 ? &second : &third);
    list.push_back(&fourth);
    std::vector<int> expected{1, 2, 3, 4};
    std::erase(expected, out);
    CHECK(numbers(list) == expected);
  }
}

TEST_CASE("a moved list leaves nothing behind, and its operations know the new one")
{
  numbered first(1), second(2);
  wait_operation_list<> list;
  list.push_back(&first);
  list.push_back(&second);
  wait_operation_list<> moved(std::move(list));
  CHECK(list.empty());
  moved.remove(&first);
  CHECK(numbers(moved) == std::vector<int>{2});
}

TEST_CASE("the handler's own allocator is used, and has its memory back before the handler runs")
{
  asio::io_context context;
  counts used;
  bool all_back = false;
  auto handler = asio::bind_allocator(counting_allocator<>(used),
      [&](std::error_code, int) { all_back = used.freed == used.allocated; });
  auto* const operation = make<int>(context, std::move(handler));
  CHECK(used.allocated == 1);
  operation->complete(std::error_code(), 1);
  CHECK_FALSE(all_back);
  context.run();
  CHECK(all_back);
}

TEST_CASE("an operation that is destroyed frees its memory and does not call its handler")
{
  asio::io_context context;
  counts used;
  bool called = false;
  const auto alive = std::make_shared<int>(0);
  make<int>(context, asio::bind_allocator(counting_allocator<>(used), [&, alive](
                                                                          std::error_code, int) {
    called = true;
  }))->destroy();
  CHECK(used.freed == used.allocated);
  CHECK(alive.use_count() == 1);
  context.run();
  CHECK_FALSE(called);
}

TEST_CASE("an operation is work of its own executor and of its handler's")
{
  asio::io_context own;
  asio::io_context other;
  bool called = false;
  auto* const operation = make<>(
      own, asio::bind_executor(other.get_executor(), [&](std::error_code) { called = true; }));
  own.poll();
  other.poll();
  CHECK_FALSE(own.stopped());
  CHECK_FALSE(other.stopped());
  operation->complete(std::error_code());
  CHECK_FALSE(called);
  other.run();
  CHECK(called);
  own.restart();
  own.poll();
  CHECK(own.stopped());
}

TEST_CASE("a context may go while a handler runs in another one")
{
  asio::io_context other;
  bool called = false;
  {
    asio::io_context own;
    make<>(own, asio::bind_executor(other.get_executor(), [&](std::error_code) {
      called = true;
    }))->complete(std::error_code());
    own.poll();
    CHECK(own.stopped());
  }
  other.run();
  CHECK(called);
}

TEST_CASE("handlers and values that can only be moved pass through")
{
  asio::io_context context;
  int seen = 0;
  auto handler = [&, own = std::make_unique<int>(2)](
                     std::error_code, std::unique_ptr<int> value) { seen = *own * *value; };
  auto* const operation = make<std::unique_ptr<int>>(context, std::move(handler));
  operation->complete(std::error_code(), std::make_unique<int>(21));
  context.run();
  CHECK(seen == 42);
}

TEST_CASE("a handler bound to a strand runs within it")
{
  asio::io_context context;
  auto strand = asio::make_strand(context);
  bool within = false;
  make<>(context, asio::bind_executor(strand, [&](std::error_code) {
    within = strand.running_in_this_thread();
  }))->complete(std::error_code());
  context.run();
  CHECK(within);
}

TEST_CASE("a handler may be bound to a strand of any executor")
{
  asio::io_context context;
  const auto strand = asio::make_strand(asio::any_io_executor(context.get_executor()));
  bool within = false;
  auto* const operation = make<>(context, asio::bind_executor(strand, [&](std::error_code) {
    within = strand.running_in_this_thread();
  }));
  context.poll();
  CHECK_FALSE(context.stopped());
  operation->complete(std::error_code());
  context.run();
  CHECK(within);
}

} // namespace wait_operation_test
