// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/io/backoff.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace backoff_test {

using cohort::detail::io::backoff;
using namespace std::chrono_literals;

namespace {

struct backoff_test {
  using clock = std::chrono::steady_clock;

  // How long it waited.
  clock::duration pause()
  {
    const auto start = clock::now();
    memory.wait([this] { called += 'x'; });
    context.restart();
    context.run_for(10s);
    return clock::now() - start;
  }

  asio::io_context context{1};
  backoff memory{context.get_executor()};
  std::string called;
};

} // namespace

TEST_CASE("each pause is at least twice as long as the one before, until it worked")
{
  backoff_test test;
  CHECK(test.pause() >= 1ms);
  CHECK(test.pause() >= 2ms);
  CHECK(test.pause() >= 4ms);
  for (int i = 0; i != 5; ++i) test.pause();
  CHECK(test.pause() >= 100ms);
  CHECK(test.called == "xxxxxxxxx");
  test.memory.reset();
  // However slow the machine is, one of these is shorter than the one above.
  auto shortest = test.pause();
  for (int i = 0; i != 20; ++i) {
    test.memory.reset();
    shortest = std::min(shortest, test.pause());
  }
  CHECK(shortest < 100ms);
}

TEST_CASE("one pause serves all who wait, by the handler of the first")
{
  backoff_test test;
  test.memory.wait([&] { test.called += 'a'; });
  test.memory.wait([&] { test.called += 'b'; });
  test.context.run_for(10s);
  CHECK(test.called == "a");
}

TEST_CASE("a pause that was stopped calls nobody, and another one can begin")
{
  backoff_test test;
  test.memory.wait([&] { test.called += 'a'; });
  test.memory.stop();
  test.context.run_for(10s);
  CHECK(test.called.empty());
  test.pause();
  CHECK(test.called == "x");
}

} // namespace backoff_test
