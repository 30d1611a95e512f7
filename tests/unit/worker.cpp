// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/worker.hpp>

#include "support/sleeping_process.hpp"

#include <cohort/message/json.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <concepts>
#include <csignal>
#include <memory>
#include <type_traits>

namespace worker_test {

using cohort::exit_status;
using cohort::worker;
using namespace std::chrono_literals;

namespace {

// A handle: regular, cheap to copy, and nothing before it refers to a worker.
static_assert(std::regular<worker>);
static_assert(std::is_nothrow_default_constructible_v<worker>);
static_assert(std::is_nothrow_move_constructible_v<worker>);
static_assert(std::same_as<worker::executor_type, asio::any_io_executor>);

// A worker whose fate the test decides.
class fated_worker final : public cohort::detail::worker_core {
public:
  explicit fated_worker(const asio::any_io_executor& executor)
      : worker_core(executor, cohort::candidate(3), nullptr)
  {
    process_ = cohort_test::start_sleeping(executor, [this](exit_status status) {
      state_.exited(status);
      exited_.set(std::error_code(), status);
    });
  }

  void disconnect(duration deadline) override { asked = deadline; }
  void close_channel() override { state_.channel_closed(); }
  void set_weight(std::uint32_t) override {}

  cohort::detail::io::process_usage usage() override { return used; }

  duration asked{};
  cohort::detail::io::process_usage used;
};

struct worker_test {
  asio::io_context context{1};
  std::shared_ptr<fated_worker> core = std::make_shared<fated_worker>(context.get_executor());
  worker handle{core};

  ~worker_test()
  {
    std::error_code ignored;
    handle.kill(SIGKILL, ignored);
    context.restart();
    context.run_for(10s);
    CHECK(handle.is_dead());
  }

  void run()
  {
    context.restart();
    context.poll();
  }
};

} // namespace

TEST_CASE("a handle that refers to no worker says so")
{
  const worker nobody;
  CHECK_FALSE(nobody);
  CHECK(nobody == worker());
}

TEST_CASE("copies mean the same worker")
{
  worker_test test;
  const worker copy = test.handle;
  CHECK(copy);
  CHECK(copy == test.handle);
  CHECK(copy != worker());
  CHECK(copy.id() == 3);
  CHECK(copy.pid() > 0);
  CHECK(copy.process().pid() == copy.pid());
  CHECK(copy.is_connected());
  CHECK_FALSE(copy.is_dead());
  CHECK_FALSE(copy.exited_after_disconnect());
}

TEST_CASE("what a worker uses is known, or not")
{
  worker_test test;
  CHECK_FALSE(test.handle.memory());
  CHECK_FALSE(test.handle.descriptors());
  test.core->used = {5 << 20, 17};
  CHECK(test.handle.memory() == 5 << 20);
  CHECK(test.handle.descriptors() == 17);
}

TEST_CASE("a signal is sent in two ways, and a dead process gives no_such_process")
{
  worker_test test;
  test.handle.kill();
  auto status = test.handle.exited(asio::use_future);
  test.context.run_for(10s);
  CHECK(status.get() == exit_status::signalled(SIGTERM));
  std::error_code error;
  test.handle.kill(SIGTERM, error);
  CHECK(error == std::errc::no_such_process);
  CHECK_THROWS_AS(test.handle.kill(), std::system_error);
}

TEST_CASE("every wait takes every kind of completion token")
{
  worker_test test;
  int done = 0;
  const auto wait = [](worker one, int& count) -> asio::awaitable<void> {
    co_await one.online();
    const auto event = co_await one.listening();
    count += event.port;
    std::error_code error;
    co_await one.disconnected(asio::redirect_error(asio::use_awaitable, error));
    const auto result = co_await one.online(asio::experimental::as_tuple(asio::use_awaitable));
    count += std::get<0>(result) ? 0 : 1;
  };
  asio::co_spawn(test.context, wait(test.handle, done), asio::detached);
  test.handle.online([&](std::error_code error) { done += error ? 0 : 10; });
  auto future = test.handle.disconnected(asio::use_future);
  test.handle.listening(asio::detached);
  test.run();
  CHECK(done == 0);
  test.core->online().set(std::error_code());
  cohort::listening_event event;
  event.port = 100;
  test.core->listening().set(std::error_code(), event);
  test.core->disconnected().set(std::error_code());
  test.run();
  CHECK(done == 111);
  future.get();
}

TEST_CASE("a disconnect has 30 seconds unless said otherwise, and gives the exit status")
{
  worker_test test;
  auto first = test.handle.disconnect(asio::use_future);
  CHECK(test.core->asked == 30s);
  auto second = test.handle.disconnect(5s, asio::use_future);
  CHECK(test.core->asked == 5s);
  test.handle.kill(SIGKILL);
  test.context.run_for(10s);
  CHECK(first.get() == exit_status::signalled(SIGKILL));
  CHECK(second.get() == exit_status::signalled(SIGKILL));
}

TEST_CASE("a worker whose channel was cut is connected no more")
{
  worker_test test;
  CHECK(test.handle.is_connected());
  test.handle.close_channel();
  CHECK_FALSE(test.handle.is_connected());
  CHECK_FALSE(test.handle.is_dead());
  CHECK_FALSE(test.handle.exited_after_disconnect());
}

TEST_CASE("a disconnect that is not awaited yet has not begun")
{
  worker_test test;
  const auto leave = [](worker one) -> asio::awaitable<void> {
    [[maybe_unused]] const exit_status status = co_await one.disconnect(7s);
  };
  auto lazy = leave(test.handle);
  CHECK(test.core->asked == 0s);
  asio::co_spawn(test.context, std::move(lazy), asio::detached);
  test.run();
  CHECK(test.core->asked == 7s);
}

} // namespace worker_test
