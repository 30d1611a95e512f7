// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/time_factor.hpp"

#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <doctest/doctest.h>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace cohort_test {

using asio::awaitable;

/// A context inside the test, and a bound on all that is done there.
class context_fixture {
public:
  context_fixture() = default;
  ~context_fixture() { join(); }
  context_fixture(const context_fixture&) = delete;
  context_fixture& operator=(const context_fixture&) = delete;

  /// Runs the coroutine `body()` to its end, and the context until nothing is left to do. Whatever
  /// is not over after `limit` fails the test.
  template <class Body>
  void run(Body body, std::chrono::seconds limit = std::chrono::seconds(20))
  {
    run_to_end(body(), limit);
  }

  /// Runs `work()` on a thread of its own, for what blocks; the primary goes on meanwhile. What it
  /// throws comes out here.
  template <class Work>
  awaitable<void> in_thread(Work& work)
  {
    return run_in_thread([&work] { work(); });
  }

  /// Waits for what nothing announces; false when it is not so after a while.
  template <class Condition>
  awaitable<bool> eventually(
      Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(5))
  {
    return become_true(std::move(condition), limit);
  }

  asio::io_context context{1};

protected:
  void join()
  {
    for (auto& each : std::exchange(threads_, {})) each.join();
  }

private:
  // No templates: there are hundreds of callers, and each would have all of these compiled anew.
  void run_to_end(awaitable<void> body, std::chrono::seconds limit);
  awaitable<void> run_in_thread(std::function<void()> work);
  awaitable<bool> become_true(std::function<bool()> condition, std::chrono::milliseconds limit);

  std::vector<std::thread> threads_;
};

// Implementation

inline void context_fixture::run_to_end(awaitable<void> body, std::chrono::seconds limit)
{
  // A coroutine that is late ends when this function has given up.
  struct end_of_test {
    bool finished = false;
    std::exception_ptr failure;
  };
  const auto result = std::make_shared<end_of_test>();
  asio::co_spawn(context, std::move(body), [this, result](std::exception_ptr thrown) {
    result->finished = true;
    result->failure = thrown;
    if (thrown) context.stop();
  });
  context.restart();
  context.run_for(limit * time_factor());
  if (result->failure) std::rethrow_exception(result->failure);
  const bool idle = context.stopped();
  if (!idle) context.stop();
  REQUIRE_MESSAGE(result->finished, "the test's coroutine still waits");
  REQUIRE_MESSAGE(idle, "the context still has work");
}

inline awaitable<void> context_fixture::run_in_thread(std::function<void()> work)
{
  auto start = [this, work = std::move(work)](auto handler) mutable {
    auto guard = asio::make_work_guard(context);
    auto run = [this, work = std::move(work), handler = std::move(handler),
                   guard = std::move(guard)]() mutable {
      // Such as that of a check without which nothing can go on.
      std::exception_ptr failure;
      try {
        work();
      } catch (...) {
        failure = std::current_exception();
      }
      asio::post(context,
          [handler = std::move(handler), failure]() mutable { std::move(handler)(failure); });
    };
    threads_.emplace_back(std::move(run));
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
      std::move(start), asio::use_awaitable);
}

inline awaitable<bool> context_fixture::become_true(
    std::function<bool()> condition, std::chrono::milliseconds limit)
{
  const auto deadline = std::chrono::steady_clock::now() + limit * time_factor();
  asio::steady_timer timer(context);
  for (;;) {
    if (condition()) co_return true;
    if (std::chrono::steady_clock::now() > deadline) co_return false;
    timer.expires_after(std::chrono::milliseconds(1));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

} // namespace cohort_test
