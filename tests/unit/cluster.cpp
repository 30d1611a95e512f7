// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/cluster.hpp>

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

#include <algorithm>
#include <chrono>
#include <concepts>
#include <csignal>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace cluster_test {

using namespace cohort;
using namespace std::chrono_literals;

namespace {

static_assert(!std::is_copy_constructible_v<cluster<>>);
static_assert(!std::is_move_constructible_v<cluster<>>);
static_assert(std::same_as<cluster<>::policy_type, round_robin>);
static_assert(std::is_constructible_v<cluster<>, asio::io_context&>);
static_assert(std::is_constructible_v<cluster<>, asio::strand<asio::io_context::executor_type>>);
static_assert(!std::is_convertible_v<asio::io_context&, cluster<>>);

// A policy that has to be given, as it cannot be made from nothing.
struct chosen {
  explicit chosen(int) {}
  std::size_t select(std::span<const candidate>, const connection_info&) noexcept
  {
    return cohort::wait;
  }
};
static_assert(std::is_constructible_v<cluster<chosen>, asio::io_context&, settings, chosen>);

// Programs that know nothing of clusters are workers that never come online.
settings sleeping()
{
  return settings().exec("/bin/sleep").args(std::vector<std::string>(1, "100"));
}

struct cluster_test {
  asio::io_context context{1};
  cluster<> primary{context, sleeping()};

  ~cluster_test()
  {
    primary.kill(SIGKILL);
    run();
    CHECK(primary.workers().empty());
  }
  void run()
  {
    context.restart();
    context.run_for(10s);
  }
  void run_ready()
  {
    context.restart();
    context.poll();
  }
};

} // namespace

TEST_CASE("workers are forked with every kind of completion token")
{
  cluster_test test;
  std::vector<worker_id> ids;
  const auto fork = [](cluster<>& from, std::vector<worker_id>& into) -> asio::awaitable<void> {
    const worker first = co_await from.co_fork();
    into.push_back(first.id());
    const auto variables = environment().set("A", "1");
    const worker second = co_await from.co_fork(variables);
    into.push_back(second.id());
    std::error_code error;
    const worker third = co_await from.co_fork(asio::redirect_error(asio::use_awaitable, error));
    into.push_back(third.id());
    const auto fourth =
        co_await from.co_fork(variables, asio::experimental::as_tuple(asio::use_awaitable));
    into.push_back(std::get<1>(fourth).id());
  };
  asio::co_spawn(test.context, fork(test.primary, ids), asio::detached);
  test.run_ready();
  CHECK(ids == std::vector<worker_id>{1, 2, 3, 4});

  auto future = test.primary.co_fork(asio::use_future);
  test.primary.co_fork([&](std::error_code, const worker& forked) { ids.push_back(forked.id()); });
  test.primary.co_fork(asio::detached);
  CHECK(ids.size() == 4); // not inside the call
  test.run_ready();
  CHECK(future.get().id() == 5);
  CHECK(ids.back() == 6);
  CHECK(test.primary.workers().size() == 7);
}

TEST_CASE("a fork that was made but not awaited yet has not happened")
{
  cluster_test test;
  const auto fork = [](cluster<>& from) -> asio::awaitable<void> { co_await from.co_fork(); };
  auto lazy = fork(test.primary);
  CHECK(test.primary.workers().empty());
  asio::co_spawn(test.context, std::move(lazy), asio::detached);
  test.run_ready();
  CHECK(test.primary.workers().size() == 1);
}

TEST_CASE("many workers are forked at once, one for each processor unless said")
{
  cluster_test test;
  auto two = test.primary.co_fork_all(2, asio::use_future);
  auto all = test.primary.co_fork_all(asio::use_future);
  test.run_ready();
  CHECK(two.get().size() == 2);
  CHECK(all.get().size() == available_parallelism());
}

TEST_CASE("workers are listed by id, and found by it")
{
  cluster_test test;
  test.primary.co_fork_all(3, asio::detached);
  const auto all = test.primary.workers();
  REQUIRE(all.size() == 3);
  for (worker_id id = 1; id <= 3; ++id) {
    CHECK(all[id - 1].id() == id);
    CHECK(test.primary.find(id) == all[id - 1]);
  }
  CHECK_FALSE(test.primary.find(4).has_value());
}

TEST_CASE("a program that is not there is an error, and no worker")
{
  cluster_test test;
  test.primary.setup(settings().exec("/nowhere/to/be/found"));
  std::error_code seen;
  std::size_t started = 99;
  test.primary.co_fork([&](std::error_code error, const worker& none) {
    seen = error;
    CHECK_FALSE(none);
  });
  test.primary.co_fork_all(
      2, [&](std::error_code, const std::vector<worker>& some) { started = some.size(); });
  test.run_ready();
  CHECK(seen == std::errc::no_such_file_or_directory);
  CHECK(started == 0);
  CHECK(test.primary.workers().empty());
}

TEST_CASE("settings are cumulative")
{
  cluster_test test;
  test.primary.setup(settings().silent(true));
  CHECK(test.primary.current_settings().silent());
  CHECK(test.primary.current_settings().exec() == "/bin/sleep");
}

TEST_CASE("a disconnect completes after all exits, with every kind of completion token")
{
  cluster_test test;
  test.primary.co_fork_all(2, asio::detached);
  auto exits = test.primary.disconnect(1ms, asio::use_future);
  std::error_code seen;
  test.primary.co_fork([&](std::error_code error, const worker&) { seen = error; });
  test.run();
  CHECK(seen == error::shutting_down);
  CHECK(exits.get().size() == 2);

  bool done = false;
  const auto end = [](cluster<>& all, bool& ended) -> asio::awaitable<void> {
    const auto none = co_await all.disconnect();
    std::error_code error;
    co_await all.disconnect(1s, asio::redirect_error(asio::use_awaitable, error));
    const auto both = co_await all.disconnect(asio::experimental::as_tuple(asio::use_awaitable));
    co_await all.idle();
    ended = none.empty() && std::get<1>(both).empty() && !error;
  };
  asio::co_spawn(test.context, end(test.primary, done), asio::detached);
  test.run();
  CHECK(done);
}

TEST_CASE("run returns when the last worker is gone and nothing else waits")
{
  cluster_test test;
  test.primary.co_fork_all(2, asio::detached);
  test.run_ready();
  CHECK_FALSE(test.context.stopped());
  test.primary.kill(SIGKILL);
  test.run();
  CHECK(test.context.stopped());
}

TEST_CASE("events of several kinds come as a variant, in order")
{
  cluster_test test;
  auto events = test.primary.subscribe<fork_event, exit_event>();
  test.primary.co_fork(asio::detached);
  test.run_ready();
  test.primary.kill(SIGKILL);
  auto first = events.next(asio::use_future);
  auto second = events.next(asio::use_future);
  test.run();
  CHECK(std::holds_alternative<fork_event>(first.get()));
  const auto last = second.get();
  REQUIRE(std::holds_alternative<exit_event>(last));
  CHECK(std::get<exit_event>(last).status == exit_status::signalled(SIGKILL));
}

TEST_CASE("worker handles stay valid after the cluster")
{
  asio::io_context context{1};
  worker kept;
  {
    cluster<> primary(context, sleeping().fence_grace(1ms));
    primary.co_fork([&](std::error_code, worker forked) { kept = std::move(forked); });
    context.poll();
  }
  REQUIRE(kept);
  CHECK_FALSE(kept.is_connected());
  auto status = kept.exited(asio::use_future);
  context.restart();
  context.run_for(10s);
  CHECK(status.get() == exit_status::signalled(SIGKILL));
  CHECK(kept.is_dead());
}

TEST_CASE("an operation that is started after the cluster went does not start anything")
{
  asio::io_context context{1};
  auto primary = std::make_unique<cluster<>>(context, sleeping());
  auto late_fork = primary->co_fork(asio::use_awaitable);
  auto late_all = primary->co_fork_all(2, asio::use_awaitable);
  auto late_end = primary->disconnect(asio::use_awaitable);
  primary.reset();
  std::vector<std::error_code> seen;
  const auto note = [&seen](std::exception_ptr failure, const auto&) {
    try {
      if (failure) std::rethrow_exception(failure);
      seen.emplace_back();
    } catch (const std::system_error& error) {
      seen.push_back(error.code());
    }
  };
  asio::co_spawn(context, std::move(late_end), note);
  asio::co_spawn(context, std::move(late_fork), note);
  asio::co_spawn(context, std::move(late_all), note);
  context.run_for(10s);
  REQUIRE(seen.size() == 3);
  CHECK(std::ranges::count(seen, std::error_code(error::shutting_down)) == 2);
}

TEST_CASE("counters begin at zero")
{
  cluster_test test;
  CHECK(test.primary.counters().accepted == 0);
  CHECK(test.primary.counters().closed == 0);
}

} // namespace cluster_test
