// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/connection_scope.hpp>

#include <cohort/drain_steps.hpp>
#include <cohort/message/json.hpp>

#include "support/captured_errors.hpp"
#include "support/event_loop.hpp"

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace connection_scope_test {

using namespace std::chrono_literals;
using asio::awaitable;
using cohort::connection_scope;
using cohort::drain_steps;
using cohort::session;
using cohort_test::run_ready;
using cohort_test::run_until;
using local = asio::local::stream_protocol;
using connection = cohort::connection<local>;

namespace {

static_assert(!std::is_copy_constructible_v<connection_scope>);
static_assert(!std::is_move_constructible_v<connection_scope>);
static_assert(!std::is_default_constructible_v<session>);

using clock_type = std::chrono::steady_clock;

/// A worker that stands alone, and its scope.
struct server {
  explicit server(const drain_steps& steps = drain_steps()) : scope(std::in_place, self, steps) {}

  /// A connection that is served; the client's end.
  template <class Serve>
  local::socket serve(Serve function)
  {
    local::socket here(context), there(context);
    asio::local::connect_pair(here, there);
    scope->spawn(connection(std::move(here)), std::move(function));
    return there;
  }

  /// Whether the server has closed that connection, or does so soon.
  bool closes(local::socket& client)
  {
    char byte = 0;
    cohort_test::completion<std::size_t> read;
    client.async_read_some(asio::buffer(&byte, 1), read.handler());
    const bool done = run_until(context, [&] { return read.done(); });
    return done && (read.error == asio::error::eof || read.error == asio::error::connection_reset);
  }

  /// A line of four characters.
  std::string answer(local::socket& client)
  {
    std::array<char, 4> line{};
    cohort_test::completion<std::size_t> read;
    asio::async_read(client, asio::buffer(line), read.handler());
    run_until(context, [&] { return read.done(); });
    return std::string(line.data(), read.value);
  }

  asio::io_context context{1};
  cohort::this_worker self{context, cohort::standalone};
  std::optional<connection_scope> scope;
};

/// Answers each byte with "open", the last one with "last".
awaitable<void> polite(connection& client, session session)
{
  for (bool closing = false; !closing;) {
    char request = 0;
    {
      const auto idle = session.idle();
      co_await client.async_read_some(asio::buffer(&request, 1));
    }
    closing = session.closing();
    const std::string answer(closing ? "last" : "open");
    co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
  }
}

} // namespace

TEST_CASE("a connection lasts as long as its coroutine, and so does the function")
{
  server test;
  const auto owned = std::make_shared<int>(7);
  auto client = test.serve([owned](connection& on, session) -> awaitable<void> {
    char byte = 0;
    co_await on.async_read_some(asio::buffer(&byte, 1));
    co_await asio::post(on.get_executor(), asio::use_awaitable);
    CHECK(*owned == 7);
  });
  CHECK(test.scope->size() == 1);
  CHECK(owned.use_count() == 2);
  run_ready(test.context);
  CHECK(test.scope->size() == 1);
  asio::write(client, asio::buffer("x", 1));
  CHECK(test.closes(client));
  CHECK(test.scope->size() == 0);
  CHECK(owned.use_count() == 1);
}

TEST_CASE("an idle connection gets one more answer within the grace, and the notice with it")
{
  server test(drain_steps().idle_grace(1h).deadline(1h));
  auto client = test.serve(polite);
  asio::write(client, asio::buffer("x", 1));
  CHECK(test.answer(client) == "open");
  test.scope->drain();
  run_ready(test.context);
  CHECK(test.scope->closing());
  CHECK(test.scope->size() == 1);
  asio::write(client, asio::buffer("x", 1));
  CHECK(test.answer(client) == "last");
  CHECK(test.closes(client));
}

TEST_CASE("who is idle ends after the grace, and running requests go on")
{
  server test(drain_steps().idle_grace(10ms).fresh_grace(20ms).deadline(1h));
  auto idle = test.serve(polite);
  auto fresh = test.serve(polite);
  asio::steady_timer request(test.context, clock_type::time_point::max());
  auto running = test.serve([&](connection& on, session session) -> awaitable<void> {
    char byte = 0;
    {
      const auto mark = session.idle();
      co_await on.async_read_some(asio::buffer(&byte, 1));
    }
    std::error_code error;
    co_await request.async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_await asio::async_write(on, asio::buffer("slow", 4), asio::use_awaitable);
  });
  asio::write(idle, asio::buffer("x", 1));
  asio::write(running, asio::buffer("x", 1));
  CHECK(test.answer(idle) == "open");
  const auto begin = clock_type::now();
  test.scope->drain();
  CHECK(test.closes(idle));
  CHECK(clock_type::now() - begin >= 10ms);
  CHECK(test.closes(fresh));
  CHECK(clock_type::now() - begin >= 20ms);
  CHECK(test.scope->size() == 1);
  request.cancel();
  CHECK(test.answer(running) == "slow");
  CHECK(test.closes(running));
}

TEST_CASE("a request that has just been read when the wait is cancelled is answered")
{
  server test(drain_steps().fresh_grace(0s).deadline(1h));
  asio::steady_timer wait(test.context);
  auto client = test.serve([&](connection& on, session session) -> awaitable<void> {
    {
      const auto idle = session.idle();
      // What cannot be cancelled any more when the cancellation comes.
      while (!session.closing()) co_await asio::post(on.get_executor(), asio::use_awaitable);
      for (int turn = 0; turn != 100; ++turn)
        co_await asio::post(on.get_executor(), asio::use_awaitable);
      const auto state = co_await asio::this_coro::cancellation_state;
      CHECK(state.cancelled() == asio::cancellation_type::none);
    }
    wait.expires_after(1ms);
    co_await wait.async_wait(asio::use_awaitable);
    co_await asio::async_write(on, asio::buffer("late", 4), asio::use_awaitable);
  });
  test.scope->drain();
  CHECK(test.answer(client) == "late");
}

TEST_CASE("the steps end what accepts them, and the last one whatever reads or writes")
{
  server test(drain_steps().fresh_grace(5ms).total(20ms).terminal(40ms).deadline(60ms));
  std::string order;
  const auto note = [&](char name) {
    return [&order, name](auto read) {
      return [&order, name, read](connection& on, session session) -> awaitable<void> {
        std::error_code error;
        co_await read(on, session, error);
        order += error ? name : '?';
      };
    };
  };
  std::array<char, 2> data{};
  auto partial = test.serve(
      note('p')([&](connection& on, session session, std::error_code& error) -> awaitable<void> {
        const auto idle = session.idle();
        auto token = asio::redirect_error(asio::use_awaitable, error);
        co_await on.async_read_some(asio::buffer(data), token);
      }));
  auto total =
      test.serve(note('t')([&](connection& on, session, std::error_code& error) -> awaitable<void> {
        auto token = asio::redirect_error(asio::use_awaitable, error);
        co_await on.async_read_some(asio::buffer(data), token);
      }));
  // Half of it has been read: it cannot be undone.
  auto terminal =
      test.serve(note('T')([&](connection& on, session, std::error_code& error) -> awaitable<void> {
        auto token = asio::redirect_error(asio::use_awaitable, error);
        co_await asio::async_read(on, asio::buffer(data), token);
      }));
  asio::write(terminal, asio::buffer("x", 1));
  auto stubborn =
      test.serve(note('c')([&](connection& on, session, std::error_code& error) -> awaitable<void> {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        auto token = asio::redirect_error(asio::use_awaitable, error);
        co_await on.async_read_some(asio::buffer(data), token);
      }));
  const auto begin = clock_type::now();
  test.scope->drain();
  CHECK(run_until(test.context, [&] { return order.size() == 4; }));
  CHECK(order == "ptTc");
  CHECK(clock_type::now() - begin >= 60ms);
  CHECK(run_until(test.context, [&] { return test.scope->size() == 0; }));
}

TEST_CASE("after total cancellation the next co_await throws, whatever was awaited")
{
  server test(drain_steps().deadline(10ms));
  int rounds = 0;
  auto client = test.serve([&](connection& on, session) -> awaitable<void> {
    for (;;) {
      ++rounds;
      co_await asio::post(on.get_executor(), asio::use_awaitable);
    }
  });
  test.scope->drain();
  CHECK(test.closes(client));
  CHECK(rounds != 0);
}

TEST_CASE("an endless client is cut at the deadline even if its coroutine wants to go on")
{
  server test(drain_steps().deadline(20ms));
  const std::string block(1024, 'x');
  auto client = test.serve([&](connection& on, session) -> awaitable<void> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    for (;;) co_await asio::async_write(on, asio::buffer(block), asio::use_awaitable);
  });
  std::array<char, 4096> data;
  bool over = false;
  std::function<void()> swallow = [&] {
    client.async_read_some(asio::buffer(data), [&](std::error_code error, std::size_t) {
      if (error) over = true;
      else swallow();
    });
  };
  swallow();
  const auto begin = clock_type::now();
  test.scope->drain();
  CHECK(run_until(test.context, [&] { return over; }));
  CHECK(clock_type::now() - begin >= 20ms);
  CHECK(run_until(test.context, [&] { return test.scope->size() == 0; }));
}

TEST_CASE("whoever waits for the end of all is told, and nothing keeps the context then")
{
  server test;
  cohort_test::completion<> ended;
  test.scope->ended(ended.handler());
  auto client = test.serve(polite);
  test.scope->drain();
  run_ready(test.context);
  CHECK_FALSE(ended.done());
  client.close();
  test.context.restart();
  test.context.run();
  CHECK(ended.good());
}

TEST_CASE("a wait for the end can be cancelled, and ends with the scope")
{
  server test;
  cohort_test::completion<> cancelled, aborted;
  asio::cancellation_signal signal;
  test.scope->ended(asio::bind_cancellation_slot(signal.slot(), cancelled.handler()));
  test.scope->ended(aborted.handler());
  signal.emit(asio::cancellation_type::total);
  run_ready(test.context);
  CHECK(cancelled.error == asio::error::operation_aborted);
  CHECK_FALSE(aborted.done());
  test.scope.reset();
  test.context.restart();
  test.context.run();
  CHECK(aborted.error == asio::error::operation_aborted);
}

TEST_CASE("the drain of the worker is that of its scope, made before or in it")
{
  server test;
  auto client = test.serve(polite);
  run_ready(test.context);
  CHECK_FALSE(test.scope->closing());
  test.self.disconnect([](std::error_code) {});
  run_ready(test.context);
  CHECK(test.scope->closing());
  connection_scope late(test.self);
  CHECK(late.closing());
  asio::write(client, asio::buffer("x", 1));
  CHECK(test.answer(client) == "last");
}

TEST_CASE("a connection that comes when the others are cancelled is closed at once")
{
  server test(drain_steps().deadline(0s));
  test.scope->drain();
  auto early = test.serve(polite);
  CHECK(test.closes(early));
  bool called = false;
  auto late = test.serve([&](connection&, session) -> awaitable<void> {
    called = true;
    co_return;
  });
  CHECK(test.scope->size() == 0);
  CHECK(test.closes(late));
  CHECK_FALSE(called);
}

TEST_CASE("an exception ends its connection only, and is reported")
{
  server test;
  std::string reported;
  test.scope->on_failure([&](std::exception_ptr failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      reported += error.what();
    }
  });
  auto other = test.serve(polite);
  auto failing = test.serve([](connection& on, session) -> awaitable<void> {
    co_await asio::post(on.get_executor(), asio::use_awaitable);
    throw std::runtime_error("in the coroutine ");
  });
  CHECK(test.closes(failing));
  auto refusing = test.serve(
      [](connection&, session) -> awaitable<void> { throw std::runtime_error("in the function"); });
  CHECK(test.closes(refusing));
  CHECK(reported == "in the coroutine in the function");
  // An end like any other.
  auto leaving = test.serve(polite);
  leaving.close();
  CHECK(run_until(test.context, [&] { return test.scope->size() == 1; }));
  CHECK(reported == "in the coroutine in the function");
  test.scope->on_failure(nullptr);
  cohort_test::captured_errors errors;
  auto again = test.serve([](connection&, session) -> awaitable<void> {
    throw std::runtime_error("unseen");
    co_return;
  });
  CHECK(test.closes(again));
  CHECK(errors.text() == "cohort: connection: unseen\n");
}

TEST_CASE("at the end of a scope its connections are closed, and their coroutines end")
{
  server test;
  const auto alive = std::make_shared<int>(0);
  bool told = false;
  std::error_code timer_error;
  auto reading = test.serve(
      [alive](connection& on, session session) { return polite(on, std::move(session)); });
  auto waiting = test.serve([&, alive](connection& on, session session) -> awaitable<void> {
    asio::steady_timer timer(on.get_executor(), 1h);
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, timer_error));
    told = session.closing();
  });
  run_ready(test.context);
  CHECK(alive.use_count() == 3);
  test.scope.reset();
  CHECK(test.closes(reading));
  CHECK(test.closes(waiting));
  CHECK(run_until(test.context, [&] { return alive.use_count() == 1; }));
  CHECK(told);
  CHECK(timer_error == asio::error::operation_aborted);
}

TEST_CASE("connections whose context goes first go with it, whatever they wait for")
{
  const auto alive = std::make_shared<int>(0);
  {
    asio::io_context context(1);
    cohort::this_worker self(context, cohort::standalone);
    local::socket client(context);
    const auto serve = [&](std::shared_ptr<int>) -> awaitable<void> {
      connection_scope scope(self);
      const auto add = [&, alive](auto function) {
        local::socket here(context);
        client = local::socket(context);
        asio::local::connect_pair(here, client);
        scope.spawn(connection(std::move(here)), std::move(function));
      };
      add([alive](connection& on, session session) { return polite(on, std::move(session)); });
      add([alive](connection& on, session) -> awaitable<void> {
        asio::steady_timer timer(on.get_executor(), 1h);
        co_await timer.async_wait(asio::use_awaitable);
      });
      co_await scope.ended();
    };
    asio::co_spawn(context, serve(alive), [](std::exception_ptr) {});
    SUBCASE("before they have begun") {}
    SUBCASE("while they are served") { run_ready(context); }
    SUBCASE("in the drain")
    {
      run_ready(context);
      self.disconnect([](std::error_code) {});
      run_ready(context);
    }
    CHECK(alive.use_count() > 1);
  }
  CHECK(alive.use_count() == 1);
}

TEST_CASE("with another executor everything runs there")
{
  asio::io_context context;
  using strand = asio::strand<asio::any_io_executor>;
  using own_connection = cohort::basic_connection<local, strand>;
  const strand on = asio::make_strand(asio::any_io_executor(context.get_executor()));
  cohort::basic_this_worker<cohort::json_protocol, strand> self(on, cohort::standalone);
  connection_scope scope(self, drain_steps().fresh_grace(1ms));
  own_connection::socket_type here(on), there(on);
  asio::local::connect_pair(here, there);
  bool within = false, aborted = false;
  scope.spawn(own_connection(std::move(here)),
      [&](own_connection& client, session session) -> awaitable<void> {
        within = on.running_in_this_thread();
        char byte = 0;
        std::error_code error;
        const auto idle = session.idle();
        auto token = asio::redirect_error(asio::use_awaitable, error);
        co_await client.async_read_some(asio::buffer(&byte, 1), token);
        aborted = error == asio::error::operation_aborted && on.running_in_this_thread();
      });
  asio::post(on, [&] { scope.drain(); });
  context.run();
  CHECK(within);
  CHECK(aborted);
  CHECK(scope.size() == 0);
}

TEST_CASE("a coroutine of another executor's type is served as well")
{
  asio::io_context context(1);
  using executor = asio::io_context::executor_type;
  using own_connection = cohort::basic_connection<local, executor>;
  cohort::basic_this_worker<cohort::json_protocol, executor> self(context, cohort::standalone);
  connection_scope scope(self);
  own_connection::socket_type here(context), there(context);
  asio::local::connect_pair(here, there);
  bool served = false;
  scope.spawn(
      own_connection(std::move(here)), [&](own_connection&, session) -> awaitable<void, executor> {
        served = true;
        co_return;
      });
  scope.drain();
  context.run();
  CHECK(served);
}

} // namespace connection_scope_test
