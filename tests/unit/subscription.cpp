// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/subscription.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <doctest/doctest.h>

#include <concepts>
#include <memory>
#include <type_traits>
#include <vector>

namespace subscription_test {

using namespace cohort;

namespace {

using exits = subscription<exit_event>;

static_assert(std::is_nothrow_move_constructible_v<exits>);
static_assert(std::is_nothrow_move_assignable_v<exits>);
static_assert(!std::is_copy_constructible_v<exits>);
static_assert(std::same_as<exits::value_type, exit_event>);
static_assert(std::same_as<subscription<exit_event, fork_event>::value_type,
    std::variant<exit_event, fork_event>>);

struct subscription_test {
  asio::io_context context;
  detail::event_bus bus;

  exits subscribe() { return exits(bus.subscribe<exit_event>(context.get_executor())); }
  void exit(worker_id id)
  {
    exit_event event;
    event.worker = id;
    bus.publish(event);
  }
  void run()
  {
    context.restart();
    context.poll();
  }
};

} // namespace

TEST_CASE("events are awaited one by one, by every kind of completion token")
{
  subscription_test test;
  auto events = test.subscribe();
  std::vector<worker_id> seen;
  const auto read = [](exits& from, std::vector<worker_id>& into) -> asio::awaitable<void> {
    const exit_event first = co_await from.next();
    into.push_back(first.worker);
    std::error_code error;
    const exit_event second = co_await from.next(asio::redirect_error(asio::use_awaitable, error));
    into.push_back(second.worker);
    const auto third = co_await from.next(asio::experimental::as_tuple(asio::use_awaitable));
    into.push_back(std::get<1>(third).worker);
  };
  asio::co_spawn(test.context, read(events, seen), asio::detached);
  for (worker_id id = 1; id <= 3; ++id) {
    test.exit(id);
    test.run();
  }
  CHECK(seen == std::vector<worker_id>{1, 2, 3});

  auto future = events.next(asio::use_future);
  test.exit(4);
  events.next([&](std::error_code, const exit_event& event) { seen.push_back(event.worker); });
  events.next(asio::detached);
  test.exit(5);
  test.run();
  CHECK(future.get().worker == 4);
  CHECK(seen.back() == 5);
}

TEST_CASE("a subscription that is dropped ends its wait")
{
  subscription_test test;
  auto events = std::make_unique<exits>(test.subscribe());
  std::error_code seen;
  events->next([&](std::error_code error, const exit_event&) { seen = error; });
  events.reset();
  test.run();
  CHECK(seen == asio::error::operation_aborted);
}

TEST_CASE("a coroutine that owns its subscription goes with the context")
{
  const auto alive = std::make_shared<int>(0);
  detail::event_bus bus;
  {
    asio::io_context context;
    const auto watch = [](exits events, std::shared_ptr<int>) -> asio::awaitable<void> {
      for (;;) {
        [[maybe_unused]] const exit_event event = co_await events.next();
      }
    };
    asio::co_spawn(context, watch(exits(bus.subscribe<exit_event>(context.get_executor())), alive),
        asio::detached);
    context.poll();
  }
  CHECK(alive.use_count() == 1);
  exit_event event;
  bus.publish(event);
}

TEST_CASE("a subscription that outlives its context is harmless")
{
  detail::event_bus bus;
  auto context = std::make_unique<asio::io_context>();
  const exits events(bus.subscribe<exit_event>(context->get_executor()));
  context.reset();
}

} // namespace subscription_test
