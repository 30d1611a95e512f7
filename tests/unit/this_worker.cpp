// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/this_worker.hpp>

#include <cohort/message/json.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <doctest/doctest.h>

#include "support/noted_host.hpp"
#include "support/scratch.hpp"

#include <chrono>
#include <concepts>
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>
#include <unistd.h>

namespace this_worker_test {

using asio::ip::tcp;
using asio::local::stream_protocol;
using cohort::acceptor;
using cohort::listen_options;
using cohort::standalone;
using cohort::this_worker;
using namespace std::chrono_literals;

namespace {

static_assert(!std::is_copy_constructible_v<this_worker>);
static_assert(!std::is_move_constructible_v<this_worker>);
static_assert(std::same_as<this_worker::executor_type, asio::any_io_executor>);
using strand = asio::strand<asio::any_io_executor>;
static_assert(std::same_as<this_worker::rebind_executor<strand>::other,
    cohort::basic_this_worker<cohort::json_protocol, strand>>);
static_assert(std::is_constructible_v<this_worker, asio::io_context&>);
static_assert(!std::is_convertible_v<asio::io_context&, this_worker>);
static_assert(!std::is_convertible_v<int, cohort::standalone_t>);

const tcp::endpoint any_port(asio::ip::address_v4::loopback(), 0);

struct alone {
  asio::io_context context{1};
  this_worker self{context, standalone};

  void run()
  {
    context.restart();
    context.poll();
  }
};

} // namespace

TEST_CASE("a process that no cluster started is a primary and no worker")
{
  CHECK(cohort::is_primary());
  CHECK_FALSE(cohort::is_worker());
  asio::io_context context;
  try {
    this_worker self(context);
    FAIL("it is no worker");
  } catch (const std::system_error& error) {
    CHECK(error.code() == cohort::error::not_a_worker);
  }
}

TEST_CASE("a worker that stands alone has no id and no channel")
{
  alone test;
  CHECK(test.self.id() == 0);
  CHECK_FALSE(test.self.is_connected());
  CHECK_FALSE(test.self.draining());
  CHECK(test.self.get_executor() == asio::any_io_executor(test.context.get_executor()));
  test.self.set_on_primary_lost(cohort::on_primary_lost::drain, 1s);
  test.self.set_on_primary_lost(cohort::on_primary_lost::exit);
}

TEST_CASE("listening takes every kind of completion token, with and without options")
{
  alone test;
  int open = 0;
  const auto listen = [](this_worker& self, int& count) -> asio::awaitable<void> {
    const auto first = co_await self.listen(any_port);
    count += first.is_open();
    std::error_code error;
    const auto second =
        co_await self.listen(any_port, asio::redirect_error(asio::use_awaitable, error));
    count += second.is_open();
    const auto third = co_await self.listen(
        any_port, listen_options(), asio::experimental::as_tuple(asio::use_awaitable));
    count += std::get<1>(third).is_open();
    const auto options = listen_options().backlog(5);
    const auto fourth = co_await self.listen(any_port, options);
    count += fourth.is_open();
  };
  asio::co_spawn(test.context, listen(test.self, open), asio::detached);
  auto future = test.self.listen(any_port, asio::use_future);
  test.self.listen(
      any_port, [&](std::error_code, acceptor<tcp> made) { open += 10 * made.is_open(); });
  test.self.listen(any_port, asio::detached);
  CHECK(open == 0);
  test.run();
  CHECK(open == 14);
  const acceptor<tcp> made = future.get();
  CHECK(made.local_endpoint().port() != 0);
}

TEST_CASE("an address that cannot be bound is an error, not a listening acceptor")
{
  alone test;
  auto first = test.self.listen(any_port, asio::use_future);
  test.run();
  const acceptor<tcp> made = first.get();
  std::error_code seen;
  bool open = true;
  test.self.listen(made.local_endpoint(), [&](std::error_code error, acceptor<tcp> none) {
    seen = error;
    open = none.is_open();
  });
  test.run();
  CHECK(seen == std::errc::address_in_use);
  CHECK_FALSE(open);
}

TEST_CASE("a relative path of a unix socket is taken from the working directory")
{
  const auto before = std::filesystem::current_path();
  const cohort_test::scratch_directory scratch;
  const std::string& folder = scratch.path();
  std::filesystem::current_path(folder);
  {
    alone test;
    auto future = test.self.listen(stream_protocol::endpoint("socket"), asio::use_future);
    test.run();
    std::filesystem::current_path(before);
    const acceptor<stream_protocol> made = future.get();
    CHECK(made.local_endpoint().path() == folder + "/socket");
    CHECK(std::filesystem::exists(folder + "/socket"));
  }
  CHECK_FALSE(std::filesystem::exists(folder + "/socket"));
}

TEST_CASE("an abstract name needs no directory, and no path at all is an error")
{
  alone test;
  const std::string name = std::string(1, '\0') + "cohort-unit-" + std::to_string(::getpid());
  auto future = test.self.listen(stream_protocol::endpoint(name), asio::use_future);
  auto none = test.self.listen(stream_protocol::endpoint(), asio::use_future);
  test.run();
  CHECK(future.get().local_endpoint().path() == name);
  CHECK_THROWS_AS(none.get(), std::system_error);
}

TEST_CASE("a worker that stands alone has no channel to cut, and no primary to lose")
{
  alone test;
  test.self.set_on_primary_lost([]() -> int {
    FAIL("there was no primary");
    return 1;
  });
  test.self.close_channel();
  test.run();
  CHECK_FALSE(test.self.draining());
}

TEST_CASE("a drain is announced to who waits for it, and the worker has left when all has ended")
{
  alone test;
  int order = 0, drained = 0, left = 0;
  const auto watch = [](this_worker& self, int& count, int& when) -> asio::awaitable<void> {
    co_await self.drain_requested();
    when = ++count;
  };
  asio::co_spawn(test.context, watch(test.self, order, drained), asio::detached);
  test.self.left([&](std::error_code error) { left = error ? -1 : ++order; });
  test.run();
  CHECK(order == 0);
  auto future = test.self.disconnect(asio::use_future);
  CHECK(test.self.draining());
  test.context.restart();
  test.context.run_for(10s);
  future.get();
  CHECK(drained == 1);
  CHECK(left == 2);
}

TEST_CASE("a worker leaves when its last connection has ended, and listens no more")
{
  alone test;
  auto listening = test.self.listen(any_port, asio::use_future);
  test.run();
  acceptor<tcp> from = listening.get();
  cohort_test::test_clients clients(test.context);
  std::error_code ignored;
  clients.connect(
      cohort::detail::posix::socket_address::from_endpoint(from.local_endpoint(), ignored));
  auto accepting = from.async_accept(asio::use_future);
  test.run();
  auto client = accepting.get();

  bool left = false;
  std::error_code refused;
  test.self.disconnect([&](std::error_code error) { left = !error; });
  from.async_accept([&](std::error_code error, auto) { refused = error; });
  std::error_code listened;
  test.self.listen(any_port, [&](std::error_code error, auto) { listened = error; });
  test.run();
  CHECK_FALSE(left);
  CHECK(refused == cohort::error::draining);
  CHECK(listened == cohort::error::draining);
  client.close();
  test.run();
  CHECK(left);
}

TEST_CASE("waits end with operation_aborted when the worker object goes")
{
  asio::io_context context;
  auto self = std::make_unique<this_worker>(context, standalone);
  std::error_code drained, left;
  self->drain_requested([&](std::error_code error) { drained = error; });
  self->left([&](std::error_code error) { left = error; });
  self.reset();
  context.run();
  CHECK(drained == asio::error::operation_aborted);
  CHECK(left == asio::error::operation_aborted);
}

TEST_CASE("a coroutine that owns its acceptor, and a worker that is alone, go with the context")
{
  const auto alive = std::make_shared<int>(0);
  {
    alone test;
    const auto serve = [](this_worker& self, std::shared_ptr<int>) -> asio::awaitable<void> {
      auto from = co_await self.listen(any_port);
      for (;;) {
        const auto client = co_await from.async_accept();
        CHECK(client.is_open());
      }
    };
    asio::co_spawn(test.context, serve(test.self, alive), asio::detached);
    test.run();
    CHECK(alive.use_count() == 2);
  }
  CHECK(alive.use_count() == 1);
}

TEST_CASE("with another executor everything runs there")
{
  asio::io_context context;
  const auto on = asio::make_strand(asio::any_io_executor(context.get_executor()));
  cohort::basic_this_worker<cohort::json_protocol, strand> self(on, standalone);
  bool within = false;
  const auto listen = [](cohort::basic_this_worker<cohort::json_protocol, strand>& from,
                          bool& inside) -> asio::awaitable<void, strand> {
    const auto made = co_await from.listen(any_port);
    inside = from.get_executor().running_in_this_thread() && made.is_open();
  };
  asio::co_spawn(on, listen(self, within), asio::detached);
  context.run_for(10s);
  CHECK(within);
}

} // namespace this_worker_test
