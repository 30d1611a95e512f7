// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/connection.hpp>

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <unistd.h>

namespace connection_test {

using asio::ip::tcp;
using asio::local::stream_protocol;
using cohort::connection;
using cohort::detail::lease;

namespace {

template <class Protocol>
constexpr bool is_a_handle = std::is_nothrow_move_constructible_v<connection<Protocol>>&&
                                 std::is_nothrow_move_assignable_v<connection<Protocol>> &&
                             !std::is_copy_constructible_v<connection<Protocol>> &&
                             !std::is_copy_assignable_v<connection<Protocol>> &&
                             !std::is_default_constructible_v<connection<Protocol>>;
static_assert(is_a_handle<tcp>);
static_assert(is_a_handle<stream_protocol>);

// Nothing can be sliced off it.
static_assert(!std::is_convertible_v<connection<tcp>&&, tcp::socket>);
static_assert(!std::is_convertible_v<connection<tcp>&, tcp::socket&>);
static_assert(!std::is_base_of_v<tcp::socket, connection<tcp>>);
// And none is made of a socket without being asked to.
static_assert(!std::is_convertible_v<tcp::socket&&, connection<tcp>>);

// What Asio's composed operations and its SSL stream ask of a stream.
static_assert(std::same_as<connection<tcp>::executor_type, asio::any_io_executor>);
static_assert(std::same_as<connection<tcp>::lowest_layer_type, tcp::socket::lowest_layer_type>);
static_assert(std::same_as<connection<tcp>::endpoint_type, tcp::endpoint>);
static_assert(std::same_as<connection<tcp>::protocol_type, tcp>);
using strand = asio::strand<asio::any_io_executor>;
static_assert(std::same_as<connection<tcp>::rebind_executor<strand>::other,
    cohort::basic_connection<tcp, strand>>);

// Notes what the descriptor was when the lease ended.
struct noted_lessor final : cohort::detail::lessor {
  void lease_ended() noexcept override
  {
    ++ended;
    open_at_end = watched != -1 && ::fcntl(watched, F_GETFD) != -1;
  }
  int ended = 0;
  int watched = -1;
  bool open_at_end = false;
};

struct pair_test {
  asio::io_context context{1};
  stream_protocol::socket client{context};
  std::shared_ptr<noted_lessor> lessor = std::make_shared<noted_lessor>();

  connection<stream_protocol> connect()
  {
    stream_protocol::socket server(context);
    asio::local::connect_pair(server, client);
    lessor->watched = server.native_handle();
    return connection<stream_protocol>(std::move(server), lease(lessor));
  }

  bool client_sees_the_end()
  {
    char byte = 0;
    std::error_code error;
    client.non_blocking(true);
    client.read_some(asio::buffer(&byte, 1), error);
    return error == asio::error::eof;
  }

  void run()
  {
    context.restart();
    context.run_for(std::chrono::seconds(10));
  }
};

} // namespace

TEST_CASE("a connection reads and writes as a stream, also without waiting")
{
  pair_test test;
  auto server = test.connect();
  CHECK(server.is_open());
  CHECK(server.write_some(asio::buffer("ping", 4)) == 4);
  std::array<char, 8> data;
  CHECK(test.client.read_some(asio::buffer(data)) == 4);
  asio::write(test.client, asio::buffer("pong", 4));
  std::error_code error;
  CHECK(server.read_some(asio::buffer(data), error) == 4);
  CHECK(std::string(data.data(), 4) == "pong");
  CHECK(server.write_some(asio::buffer("x", 1), error) == 1);
}

TEST_CASE("Asio's composed operations take a connection")
{
  pair_test test;
  auto server = test.connect();
  std::string line;
  const auto talk = [](connection<stream_protocol>& stream,
                        std::string& into) -> asio::awaitable<void> {
    const std::string hello = "hello\n";
    co_await asio::async_write(stream, asio::buffer(hello), asio::use_awaitable);
    co_await asio::async_read_until(stream, asio::dynamic_buffer(into), '\n', asio::use_awaitable);
    // The connection's own functions are awaited when nothing else is said.
    std::array<char, 8> data;
    const auto size = co_await stream.async_read_some(asio::buffer(data));
    co_await stream.async_write_some(asio::buffer(data, size));
  };
  asio::co_spawn(test.context, talk(server, line), asio::detached);
  asio::write(test.client, asio::buffer("answer\n", 7));
  test.context.poll();
  CHECK(line == "answer\n");
  asio::write(test.client, asio::buffer("more", 4));
  test.run();
  std::array<char, 16> data;
  CHECK(test.client.read_some(asio::buffer(data)) == 10);
  CHECK(std::string(data.data(), 10) == "hello\nmore");
}

TEST_CASE("the other kinds of completion token work")
{
  pair_test test;
  auto server = test.connect();
  std::array<char, 8> data;
  std::size_t seen = 0;
  server.async_read_some(
      asio::buffer(data), [&](std::error_code, std::size_t size) { seen = size; });
  auto future = server.async_write_some(asio::buffer("abc", 3), asio::use_future);
  asio::write(test.client, asio::buffer("12345", 5));
  test.run();
  CHECK(seen == 5);
  CHECK(future.get() == 3);
}

TEST_CASE("a close is seen by the client although somebody still holds the descriptor")
{
  pair_test test;
  auto server = test.connect();
  const int copy = ::dup(server.socket().native_handle());
  server.close();
  CHECK(test.client_sees_the_end());
  CHECK_FALSE(server.is_open());
  ::close(copy);
}

TEST_CASE("the lease ends once, after the descriptor is closed")
{
  pair_test test;
  auto server = test.connect();
  CHECK(test.lessor->ended == 0);
  server.close();
  CHECK(test.lessor->ended == 1);
  CHECK_FALSE(test.lessor->open_at_end);
  server.close();
  CHECK(test.lessor->ended == 1);
}

TEST_CASE("a connection that goes closes")
{
  pair_test test;
  {
    const auto server = test.connect();
  }
  CHECK(test.client_sees_the_end());
  CHECK(test.lessor->ended == 1);
  CHECK_FALSE(test.lessor->open_at_end);
}

TEST_CASE("a moved connection goes on as the new one, and the old one is nothing")
{
  pair_test test;
  auto first = test.connect();
  {
    auto second = std::move(first);
    CHECK(second.is_open());
    CHECK_FALSE(first.is_open());
    first.close();
    CHECK(test.lessor->ended == 0);
  }
  CHECK(test.lessor->ended == 1);
}

TEST_CASE("an assignment closes what was there")
{
  pair_test first;
  pair_test second;
  auto server = first.connect();
  server = second.connect();
  CHECK(first.client_sees_the_end());
  CHECK(first.lessor->ended == 1);
  CHECK_FALSE(first.lessor->open_at_end);
  CHECK(second.lessor->ended == 0);
  auto& same = server;
  server = std::move(same);
  CHECK(server.is_open());
  CHECK(second.lessor->ended == 0);
}

TEST_CASE("a released socket is open, and its lease has ended")
{
  pair_test test;
  auto server = test.connect();
  auto socket = server.release();
  CHECK(test.lessor->ended == 1);
  CHECK(test.lessor->open_at_end);
  CHECK_FALSE(server.is_open());
  CHECK(socket.is_open());
  server.close();
  CHECK(asio::write(socket, asio::buffer("x", 1)) == 1);
}

TEST_CASE("a connection of one's own needs no lease")
{
  asio::io_context context;
  stream_protocol::socket one(context), other(context);
  asio::local::connect_pair(one, other);
  connection<stream_protocol> made(std::move(one));
  CHECK(made.is_open());
  made.close();
  CHECK_FALSE(made.is_open());
}

TEST_CASE("cancel and close end what is in flight with operation_aborted")
{
  for (const bool by_cancel : {true, false}) {
    pair_test test;
    auto server = test.connect();
    std::array<char, 8> data;
    std::error_code seen;
    server.async_read_some(
        asio::buffer(data), [&](std::error_code error, std::size_t) { seen = error; });
    if (by_cancel) server.cancel();
    else server.close();
    test.run();
    CHECK(seen == asio::error::operation_aborted);
    CHECK(server.is_open() == by_cancel);
  }
}

TEST_CASE("functions of the socket come in pairs: with and without an exception")
{
  pair_test test;
  auto server = test.connect();
  std::error_code error;
  server.shutdown(asio::socket_base::shutdown_send);
  CHECK(test.client_sees_the_end());
  server.cancel(error);
  CHECK(!error);
  server.close();
  server.shutdown(asio::socket_base::shutdown_send, error);
  CHECK(error == asio::error::bad_descriptor);
  CHECK_THROWS_AS(server.remote_endpoint(), std::system_error);
  server.remote_endpoint(error);
  CHECK(error == asio::error::bad_descriptor);
  CHECK_THROWS_AS(server.cancel(), std::system_error);
}

TEST_CASE("a constant connection shows its socket and its peer")
{
  pair_test test;
  const auto server = test.connect();
  CHECK(server.is_open());
  CHECK(server.socket().is_open());
  CHECK(server.lowest_layer().is_open());
  CHECK(server.remote_endpoint().path().empty());
}

} // namespace connection_test
