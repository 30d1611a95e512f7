// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/event_bus.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <concepts>
#include <vector>

namespace event_bus_test {

using namespace cohort;
using cohort::detail::event_bus;
using cohort::detail::subscribed_value;

namespace {

static_assert(std::same_as<subscribed_value<exit_event>::type, exit_event>);
static_assert(std::same_as<subscribed_value<exit_event, fork_event>::type,
    std::variant<exit_event, fork_event>>);

template <class Event>
Event about(worker_id id)
{
  Event event;
  event.worker = id;
  return event;
}

struct bus_test {
  asio::io_context context;
  event_bus bus;
  std::vector<worker_id> seen;
  std::vector<std::error_code> errors;

  void run()
  {
    context.restart();
    context.poll();
  }

  template <class Subscriber>
  void read(Subscriber& subscriber, int times = 1)
  {
    for (; times != 0; --times)
      subscriber.events().add([this](std::error_code error, const auto& event) {
        if (error) errors.push_back(error);
        else if constexpr (requires { event.worker; }) seen.push_back(event.worker);
        else seen.push_back(std::visit([](const auto& each) { return each.worker; }, event));
      });
    run();
  }
};

} // namespace

TEST_CASE("a subscriber sees the kinds it asked for, in order")
{
  bus_test test;
  const auto subscriber = test.bus.subscribe<exit_event, fork_event>(test.context.get_executor());
  test.bus.publish(about<fork_event>(1));
  test.bus.publish(about<online_event>(2));
  test.bus.publish(about<exit_event>(3));
  test.read(*subscriber, 3);
  CHECK(test.seen == std::vector<worker_id>{1, 3});
}

TEST_CASE("one who is added sees everything at once, as long as it is there")
{
  struct counter final : cohort::detail::subscriber {
    void deliver(const cohort::detail::any_event&) override { ++events; }
    void close() override { ++ends; }
    int events = 0;
    int ends = 0;
  };
  bus_test test;
  const auto stays = std::make_shared<counter>();
  auto goes = std::make_shared<counter>();
  test.bus.add(stays);
  test.bus.add(goes);
  test.bus.publish(about<exit_event>(1));
  CHECK(stays->events == 1);
  CHECK(goes->events == 1);
  goes.reset();
  test.bus.publish(setup_event());
  CHECK(stays->events == 2);
  test.bus.close();
  CHECK(stays->ends == 1);
}

TEST_CASE("every subscriber sees each event")
{
  bus_test test;
  const auto first = test.bus.subscribe<exit_event>(test.context.get_executor());
  const auto second = test.bus.subscribe<exit_event>(test.context.get_executor());
  test.bus.publish(about<exit_event>(5));
  test.read(*first);
  test.read(*second);
  CHECK(test.seen == std::vector<worker_id>{5, 5});
}

TEST_CASE("a subscriber sees nothing of before")
{
  bus_test test;
  test.bus.publish(about<exit_event>(1));
  const auto subscriber = test.bus.subscribe<exit_event>(test.context.get_executor());
  test.bus.publish(about<exit_event>(2));
  test.read(*subscriber);
  CHECK(test.seen == std::vector<worker_id>{2});
}

TEST_CASE("a dropped subscriber is forgotten, and its waits end")
{
  bus_test test;
  auto subscriber = test.bus.subscribe<exit_event>(test.context.get_executor());
  test.read(*subscriber);
  subscriber.reset();
  test.bus.publish(about<exit_event>(1));
  test.run();
  CHECK(test.errors == std::vector<std::error_code>{asio::error::operation_aborted});
  CHECK(test.seen.empty());
}

TEST_CASE("after the close what was published is delivered, then every wait ends")
{
  bus_test test;
  const auto subscriber = test.bus.subscribe<exit_event>(test.context.get_executor());
  test.bus.publish(about<exit_event>(1));
  test.bus.close();
  test.bus.publish(about<exit_event>(2));
  test.read(*subscriber, 2);
  CHECK(test.seen == std::vector<worker_id>{1});
  CHECK(test.errors == std::vector<std::error_code>{asio::error::operation_aborted});
}

TEST_CASE("a subscriber that leaves too much unread learns it, and the events before are there")
{
  bus_test test;
  const auto subscriber = test.bus.subscribe<exit_event>(test.context.get_executor());
  constexpr auto capacity = std::decay_t<decltype(*subscriber)>::capacity;
  for (std::size_t i = 0; i != capacity + 10; ++i)
    test.bus.publish(about<exit_event>(static_cast<worker_id>(i)));
  test.read(*subscriber, static_cast<int>(capacity));
  CHECK(test.seen.size() == capacity);
  CHECK(test.errors.empty());
  test.read(*subscriber);
  CHECK(test.errors == std::vector<std::error_code>{error::events_lost});
}

} // namespace event_bus_test
