// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/async/wait_queue.hpp>

#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <vector>

namespace wait_queue_test {

using cohort::detail::wait_queue;

namespace {

using number_queue = wait_queue<int>;

// How every suspending function of the library waits.
template <class Token>
auto async_next(number_queue& queue, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, int)>(
      [](auto handler, number_queue* from) { from->add(std::move(handler)); }, token, &queue);
}

template <class Token>
auto async_happens(wait_queue<>& queue, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, wait_queue<>* from) { from->add(std::move(handler)); }, token, &queue);
}

struct result {
  std::error_code error;
  int value = 0;
};

auto note(std::optional<result>& into)
{
  return [&into](std::error_code error, int value) { into = result{error, value}; };
}

void run_ready(asio::io_context& context)
{
  context.restart();
  context.poll();
}

} // namespace

TEST_CASE("a handler runs after the event, never inside it")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  std::optional<result> got;
  queue.add(note(got));
  CHECK_FALSE(queue.empty());
  CHECK(queue.complete_one(std::error_code(), 42));
  CHECK(queue.empty());
  CHECK_FALSE(got.has_value());
  run_ready(context);
  REQUIRE(got.has_value());
  CHECK(got->value == 42);
  CHECK_FALSE(got->error);
}

TEST_CASE("a handler does not run inside an event that happens on its own executor")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  std::optional<result> got;
  bool inside = true;
  queue.add(note(got));
  asio::post(context, [&] {
    queue.complete_one(std::error_code(), 1);
    inside = got.has_value();
  });
  run_ready(context);
  CHECK_FALSE(inside);
  CHECK(got.has_value());
}

TEST_CASE("nobody is there to be completed")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  CHECK_FALSE(queue.complete_one(std::error_code(), 1));
  queue.complete_all(std::error_code(), 1);
  run_ready(context);
}

TEST_CASE("who came first is served first")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  std::vector<int> order;
  for (int i = 0; i != 3; ++i)
    queue.add([&order, i](std::error_code, int value) { order.push_back(10 * i + value); });
  for (int i = 0; i != 3; ++i) queue.complete_one(std::error_code(), i);
  run_ready(context);
  CHECK(order == std::vector<int>{0, 11, 22});
}

TEST_CASE("all that wait get a copy, in their order")
{
  asio::io_context context;
  wait_queue<std::string> queue(context.get_executor());
  std::vector<std::string> seen;
  for (int i = 0; i != 2; ++i)
    queue.add([&, i](std::error_code, const std::string& text) {
      seen.push_back(std::to_string(i) + text);
    });
  const std::string text(100, 'x');
  queue.complete_all(std::error_code(), text);
  run_ready(context);
  CHECK(seen == std::vector<std::string>{"0" + text, "1" + text});
}

TEST_CASE("all that wait for something that can only be moved get an empty one")
{
  asio::io_context context;
  wait_queue<std::unique_ptr<int>> queue(context.get_executor());
  int seen = 0;
  for (int i = 0; i != 2; ++i)
    queue.add([&](std::error_code error, std::unique_ptr<int> value) {
      if (error == asio::error::eof && !value) ++seen;
    });
  queue.complete_all(asio::error::eof);
  run_ready(context);
  CHECK(seen == 2);
}

TEST_CASE("who comes back from within a completion waits for the next event")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  int events = 0;
  queue.add([&](std::error_code, int) {
    ++events;
    queue.add([&](std::error_code error, int) { events += error ? 100 : 10; });
  });
  queue.complete_all(std::error_code(), 1);
  run_ready(context);
  CHECK(events == 1);
  queue.complete_all(std::error_code(), 1);
  run_ready(context);
  CHECK(events == 11);
}

TEST_CASE("a wait keeps run going exactly as long as it lasts")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  context.poll();
  CHECK(context.stopped()); // the queue alone is no work
  std::optional<result> got;
  queue.add(note(got));
  run_ready(context);
  CHECK_FALSE(context.stopped());
  queue.complete_one(std::error_code(), 1);
  run_ready(context);
  CHECK(got.has_value());
  CHECK(context.stopped());
}

TEST_CASE("every type of cancellation takes a handler out")
{
  for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
           asio::cancellation_type::total, asio::cancellation_type::all}) {
    asio::io_context context;
    number_queue queue(context.get_executor());
    asio::cancellation_signal signal;
    std::optional<result> got;
    queue.add(asio::bind_cancellation_slot(signal.slot(), note(got)));
    signal.emit(type);
    CHECK(queue.empty());
    CHECK_FALSE(got.has_value());
    run_ready(context);
    REQUIRE(got.has_value());
    CHECK(got->error == asio::error::operation_aborted);
    CHECK(got->value == 0);
    CHECK(context.stopped());
  }
}

TEST_CASE("a signal of no type cancels nothing")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  asio::cancellation_signal signal;
  std::optional<result> got;
  queue.add(asio::bind_cancellation_slot(signal.slot(), note(got)));
  signal.emit(asio::cancellation_type::none);
  CHECK_FALSE(queue.empty());
  queue.complete_one(std::error_code(), 1);
  run_ready(context);
  CHECK(got->value == 1);
}

TEST_CASE("a second signal finds nothing, whether the handler has run or not")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  asio::cancellation_signal signal;
  int calls = 0;
  queue.add(asio::bind_cancellation_slot(signal.slot(), [&](std::error_code, int) { ++calls; }));
  signal.emit(asio::cancellation_type::total);
  signal.emit(asio::cancellation_type::total);
  run_ready(context);
  signal.emit(asio::cancellation_type::terminal);
  run_ready(context);
  CHECK(calls == 1);
}

TEST_CASE("a signal after the event comes too late: the value is delivered")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  asio::cancellation_signal signal;
  std::optional<result> got;
  queue.add(asio::bind_cancellation_slot(signal.slot(), note(got)));
  queue.complete_one(std::error_code(), 42);
  signal.emit(asio::cancellation_type::terminal);
  run_ready(context);
  CHECK(got->value == 42);
  signal.emit(asio::cancellation_type::terminal);
}

TEST_CASE("one cancelled wait changes nothing for the others")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  asio::cancellation_signal signal;
  std::optional<result> first, second, third;
  queue.add(note(first));
  queue.add(asio::bind_cancellation_slot(signal.slot(), note(second)));
  queue.add(note(third));
  signal.emit(asio::cancellation_type::partial);
  queue.complete_one(std::error_code(), 1);
  queue.complete_one(std::error_code(), 2);
  run_ready(context);
  CHECK(first->value == 1);
  CHECK(second->error == asio::error::operation_aborted);
  CHECK(third->value == 2);
}

TEST_CASE("the owner is told of every cancelled wait, and of no other end")
{
  struct counting_owner final : cohort::detail::wait_list_owner {
    void wait_cancelled() override { ++cancelled; }
    int cancelled = 0;
  } owner;
  asio::io_context context;
  std::optional<number_queue> queue(std::in_place, context.get_executor(), &owner);
  asio::cancellation_signal signal;
  const auto wait = [&] {
    queue->add(asio::bind_cancellation_slot(signal.slot(), [](std::error_code, int) {}));
  };
  wait();
  signal.emit(asio::cancellation_type::total);
  CHECK(owner.cancelled == 1);
  CHECK(queue->empty());
  signal.emit(asio::cancellation_type::total);
  wait();
  queue->complete_one(std::error_code(), 1);
  signal.emit(asio::cancellation_type::total);
  wait();
  queue->complete_all(std::error_code());
  wait();
  queue.reset();
  signal.emit(asio::cancellation_type::total);
  CHECK(owner.cancelled == 1);
  run_ready(context);
}

TEST_CASE("a slot can be used for one wait after the other")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  asio::cancellation_signal signal;
  std::optional<result> first, second;
  queue.add(asio::bind_cancellation_slot(signal.slot(), note(first)));
  queue.complete_one(std::error_code(), 1);
  run_ready(context);
  queue.add(asio::bind_cancellation_slot(signal.slot(), note(second)));
  signal.emit(asio::cancellation_type::total);
  run_ready(context);
  CHECK(first->value == 1);
  CHECK(second->error == asio::error::operation_aborted);
}

TEST_CASE("the end of the queue ends its waits with operation_aborted")
{
  asio::io_context context;
  auto queue = std::make_unique<number_queue>(context.get_executor());
  std::optional<result> got;
  queue->add(note(got));
  queue.reset();
  CHECK_FALSE(got.has_value());
  run_ready(context);
  CHECK(got->error == asio::error::operation_aborted);
}

TEST_CASE("the end of the context destroys handlers without calling them")
{
  bool called = false;
  const auto alive = std::make_shared<int>(0);
  auto context = std::make_unique<asio::io_context>();
  number_queue queue(context->get_executor());
  queue.add([&, alive](std::error_code, int) { called = true; });
  context.reset();
  CHECK_FALSE(called);
  CHECK(alive.use_count() == 1);
  CHECK(queue.empty());
}

TEST_CASE("a suspended coroutine that owns the queue it waits in goes with the context")
{
  bool resumed = false;
  const auto owned = std::make_shared<int>(0);
  {
    asio::io_context context;
    const auto wait_for_ever = [&resumed](std::shared_ptr<number_queue> queue,
                                   std::shared_ptr<int>) -> asio::awaitable<void> {
      [[maybe_unused]] const int value = co_await async_next(*queue, asio::use_awaitable);
      resumed = true;
    };
    asio::co_spawn(context,
        wait_for_ever(std::make_shared<number_queue>(context.get_executor()), owned),
        asio::detached);
    context.poll();
    CHECK(owned.use_count() == 2);
  }
  CHECK_FALSE(resumed);
  CHECK(owned.use_count() == 1);
}

TEST_CASE("coroutines that own each other's queues go with the context")
{
  const auto owned = std::make_shared<int>(0);
  {
    asio::io_context context;
    const auto first = std::make_shared<number_queue>(context.get_executor());
    const auto second = std::make_shared<number_queue>(context.get_executor());
    const auto wait = [](std::shared_ptr<number_queue> in, std::shared_ptr<number_queue>,
                          std::shared_ptr<int>) -> asio::awaitable<void> {
      [[maybe_unused]] const int value = co_await async_next(*in, asio::use_awaitable);
    };
    asio::co_spawn(context, wait(first, second, owned), asio::detached);
    asio::co_spawn(context, wait(second, first, owned), asio::detached);
    context.poll();
  }
  CHECK(owned.use_count() == 1);
}

TEST_CASE("a coroutine whose wake-up is on its way when the context ends goes with it")
{
  const auto owned = std::make_shared<int>(0);
  {
    asio::io_context context;
    const auto queue = std::make_shared<number_queue>(context.get_executor());
    const auto wait = [](std::shared_ptr<number_queue> in,
                          std::shared_ptr<int>) -> asio::awaitable<void> {
      [[maybe_unused]] const int value = co_await async_next(*in, asio::use_awaitable);
    };
    asio::co_spawn(context, wait(queue, owned), asio::detached);
    context.poll();
    queue->complete_one(std::error_code(), 1);
  }
  CHECK(owned.use_count() == 1);
}

TEST_CASE("a coroutine that was never started goes with the context")
{
  const auto owned = std::make_shared<int>(0);
  {
    asio::io_context context;
    const auto queue = std::make_shared<number_queue>(context.get_executor());
    const auto wait = [](std::shared_ptr<number_queue> in,
                          std::shared_ptr<int>) -> asio::awaitable<void> {
      [[maybe_unused]] const int value = co_await async_next(*in, asio::use_awaitable);
    };
    asio::co_spawn(context, wait(queue, owned), asio::detached);
  }
  CHECK(owned.use_count() == 1);
}

TEST_CASE("all kinds of completion token wait")
{
  asio::io_context context;
  number_queue queue(context.get_executor());
  int plain = 0, redirected = 0, tuple = 0;
  std::error_code error;
  const auto wait = [&]() -> asio::awaitable<void> {
    plain = co_await async_next(queue, asio::use_awaitable);
    redirected = co_await async_next(queue, asio::redirect_error(asio::use_awaitable, error));
    const auto both = co_await async_next(queue, asio::experimental::as_tuple(asio::use_awaitable));
    tuple = std::get<1>(both);
  };
  asio::co_spawn(context, wait, asio::detached);
  for (int i = 1; i <= 3; ++i) {
    run_ready(context);
    queue.complete_one(std::error_code(), i);
  }
  run_ready(context);
  CHECK(plain == 1);
  CHECK(redirected == 2);
  CHECK(tuple == 3);

  auto future = async_next(queue, asio::use_future);
  queue.complete_one(std::error_code(), 4);
  async_next(queue, asio::detached);
  queue.complete_one(std::error_code(), 5);
  run_ready(context);
  CHECK(future.get() == 4);
}

TEST_CASE("an error is an exception for who takes no code")
{
  asio::io_context context;
  wait_queue<> queue(context.get_executor());
  auto future = async_happens(queue, asio::use_future);
  queue.complete_all(asio::error::eof);
  run_ready(context);
  CHECK_THROWS_AS(future.get(), std::system_error);
}

TEST_CASE("handlers run where they are bound to")
{
  asio::io_context context;
  asio::io_context other;
  number_queue queue(context.get_executor());
  std::optional<result> got;
  queue.add(asio::bind_executor(other.get_executor(), note(got)));
  queue.complete_one(std::error_code(), 7);
  run_ready(context);
  CHECK_FALSE(got.has_value());
  run_ready(other);
  REQUIRE(got.has_value());
  CHECK(got->value == 7);
}

} // namespace wait_queue_test
