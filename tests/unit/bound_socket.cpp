// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/bound_socket.hpp>

#include "support/event_loop.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>
#include <doctest/doctest.h>

#include <array>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace bound_socket_test {

using asio::ip::udp;
using cohort::detail::datagram_source;
using cohort::detail::listen_key;
using socket = cohort::bound_socket<udp>;

namespace {

static_assert(!std::is_copy_constructible_v<socket>);
static_assert(std::is_nothrow_move_constructible_v<socket>);
using strand = asio::strand<asio::any_io_executor>;
static_assert(
    std::same_as<socket::rebind_executor<strand>::other, cohort::basic_bound_socket<udp, strand>>);

struct socket_test {
  socket_test()
  {
    std::error_code error;
    const auto key = listen_key::of(udp::endpoint(asio::ip::address_v4::loopback(), 0), error);
    source = datagram_source::bind(context.get_executor(), key, cohort::listen_options(), error);
    REQUIRE_MESSAGE(source, error.message());
    bound.emplace(context.get_executor(), source);
  }

  void receive()
  {
    bound->async_receive_from(asio::buffer(data), sender, [this](std::error_code e, std::size_t n) {
      result = e;
      text.assign(data.data(), n);
    });
  }
  void run()
  {
    context.restart();
    while (!result && context.run_one_for(std::chrono::seconds(10)) != 0) continue;
  }

  asio::io_context context{1};
  std::shared_ptr<datagram_source> source;
  std::optional<socket> bound;
  std::array<char, 100> data{};
  udp::endpoint sender;
  std::optional<std::error_code> result;
  std::string text;
};

} // namespace

TEST_CASE("what is sent to it is received with its sender, who can be answered")
{
  socket_test test;
  udp::socket client(test.context, udp::endpoint(asio::ip::address_v4::loopback(), 0));
  client.send_to(asio::buffer("ping", 4), test.bound->local_endpoint());
  test.receive();
  CHECK_FALSE(test.result);
  test.run();
  CHECK(test.result == std::error_code());
  CHECK(test.text == "ping");
  CHECK(test.sender == client.local_endpoint());
  auto sent = test.bound->async_send_to(asio::buffer("pong", 4), test.sender, asio::use_future);
  cohort_test::run_ready(test.context);
  CHECK(sent.get() == 4);
  std::array<char, 10> answer;
  udp::endpoint from;
  CHECK(client.receive_from(asio::buffer(answer), from) == 4);
  CHECK(from == test.bound->local_endpoint());
}

TEST_CASE("a drain ends what waits and what comes later")
{
  socket_test test;
  test.receive();
  test.source->close(cohort::error::draining);
  test.run();
  CHECK(test.result == cohort::error::draining);
  CHECK_FALSE(test.bound->is_open());
  test.result.reset();
  test.receive();
  test.run();
  CHECK(test.result == cohort::error::draining);
  // The address is known still.
  CHECK(test.bound->local_endpoint().port() != 0);
}

TEST_CASE(
    "cancelled and closed waits end with operation_aborted; a cancelled socket is bound still")
{
  socket_test test;
  test.receive();
  test.bound->cancel();
  test.run();
  CHECK(test.result == asio::error::operation_aborted);
  CHECK(test.bound->is_open());
  test.result.reset();
  test.receive();
  test.bound->close();
  test.run();
  CHECK(test.result == asio::error::operation_aborted);
  CHECK_FALSE(test.source->is_open());
  test.result.reset();
  test.receive();
  test.run();
  CHECK(test.result == asio::error::operation_aborted);
}

TEST_CASE("a single wait is cancelled through its slot")
{
  socket_test test;
  asio::cancellation_signal signal;
  test.bound->async_receive_from(asio::buffer(test.data), test.sender,
      asio::bind_cancellation_slot(
          signal.slot(), [&](std::error_code error, std::size_t) { test.result = error; }));
  signal.emit(asio::cancellation_type::total);
  test.run();
  CHECK(test.result == asio::error::operation_aborted);
  CHECK(test.bound->is_open());
}

TEST_CASE("a dropped or overwritten socket closes, and what waits on it ends")
{
  socket_test test;
  test.receive();
  test.bound.reset();
  test.run();
  CHECK(test.result == asio::error::operation_aborted);
  CHECK_FALSE(test.source->is_open());
  socket_test other;
  socket moved = std::move(*other.bound);
  CHECK(moved.is_open());
  moved = socket(other.context.get_executor());
  CHECK_FALSE(moved.is_open());
  CHECK_FALSE(other.source->is_open());
}

TEST_CASE("one that was never bound fails, later and not at once")
{
  socket_test test;
  test.bound.emplace(test.context.get_executor());
  CHECK_FALSE(test.bound->is_open());
  test.bound->cancel();
  test.bound->close();
  std::error_code error;
  test.bound->local_endpoint(error);
  CHECK(error == asio::error::bad_descriptor);
  CHECK_THROWS_AS(test.bound->local_endpoint(), std::system_error);
  test.receive();
  CHECK_FALSE(test.result);
  test.run();
  CHECK(test.result == asio::error::bad_descriptor);
  auto sent = test.bound->async_send_to(
      asio::buffer("x", 1), udp::endpoint(asio::ip::address_v4::loopback(), 9), asio::use_future);
  cohort_test::run_ready(test.context);
  CHECK_THROWS_AS(sent.get(), std::system_error);
}

TEST_CASE("the socket has its options")
{
  socket_test test;
  test.bound->socket().set_option(udp::socket::receive_buffer_size(1 << 16));
  CHECK(test.bound->socket().local_endpoint() == test.bound->local_endpoint());
}

TEST_CASE("a context that ends first takes what waits with it")
{
  auto context = std::make_unique<asio::io_context>(1);
  std::error_code error;
  const auto key = listen_key::of(udp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  // The handler owns what it waits on.
  auto held = std::make_shared<socket>(context->get_executor(),
      datagram_source::bind(context->get_executor(), key, cohort::listen_options(), error));
  const std::weak_ptr<socket> weak = held;
  const auto data = std::make_shared<std::array<char, 10>>();
  const auto sender = std::make_shared<udp::endpoint>();
  held->async_receive_from(asio::buffer(*data), *sender,
      [held, data, sender](std::error_code, std::size_t) { FAIL("nothing came"); });
  held.reset();
  context.reset();
  CHECK(weak.expired());
}

} // namespace bound_socket_test
