// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/async/transform_handler.hpp>

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/bind_allocator.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/recycling_allocator.hpp>
#include <asio/system_executor.hpp>
#include <doctest/doctest.h>

#include <concepts>
#include <memory>

namespace transform_handler_test {

using cohort::detail::transform_handler;

namespace {

struct twice {
  template <class Handler>
  void operator()(Handler handler, std::error_code error, std::unique_ptr<int> value)
  {
    std::move(handler)(error, 2 * *value);
  }
};

} // namespace

TEST_CASE("a transformed handler gets what the function makes of the result")
{
  int seen = 0;
  transform_handler handler(
      [&](std::error_code error, int value) { seen = error ? -1 : value; }, twice());
  std::move(handler)(std::error_code(), std::make_unique<int>(21));
  CHECK(seen == 42);
}

TEST_CASE("a transformed handler runs where its handler runs")
{
  asio::io_context context;
  const transform_handler handler(
      asio::bind_executor(context.get_executor(), [](std::error_code, int) {}), twice());
  CHECK(asio::get_associated_executor(handler) == context.get_executor());
  const auto bound = asio::get_associated_executor(handler, asio::system_executor());
  static_assert(std::same_as<decltype(bound), const asio::io_context::executor_type>);
}

TEST_CASE("a transformed handler without an executor takes the one of the operation")
{
  asio::io_context context;
  const transform_handler handler([](std::error_code, int) {}, twice());
  CHECK(asio::get_associated_executor(handler, context.get_executor()) == context.get_executor());
}

TEST_CASE("a transformed handler is cancelled as its handler is")
{
  asio::cancellation_signal signal;
  const transform_handler handler(
      asio::bind_cancellation_slot(signal.slot(), [](std::error_code, int) {}), twice());
  CHECK(asio::get_associated_cancellation_slot(handler) == signal.slot());
  const transform_handler plain([](std::error_code, int) {}, twice());
  CHECK_FALSE(asio::get_associated_cancellation_slot(plain).is_connected());
}

TEST_CASE("a transformed handler allocates as its handler does")
{
  const transform_handler handler(
      asio::bind_allocator(asio::recycling_allocator<int>(), [](std::error_code, int) {}), twice());
  const auto allocator = asio::get_associated_allocator(handler);
  static_assert(std::same_as<decltype(allocator), const asio::recycling_allocator<int>>);
}

} // namespace transform_handler_test
