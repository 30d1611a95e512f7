// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/io/listener.hpp>

#include <doctest/doctest.h>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include "support/deep_directory.hpp"
#include "support/scratch.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace listener_test {

using namespace cohort::detail;
using asio::ip::tcp;

namespace {

struct listener_test {
  listener_test()
  {
    std::error_code error;
    const auto asked = posix::socket_address::from_endpoint(
        tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
    auto socket = posix::listen_stream(asked, posix::listen_settings(), error);
    REQUIRE_FALSE(error);
    const auto bound = posix::local_address(socket.get(), error);
    listener.emplace(context.get_executor(), std::move(socket), bound, error);
    REQUIRE_FALSE(error);
  }

  void connect(int count)
  {
    for (int i = 0; i != count; ++i)
      clients.emplace_back(context).connect(listener->bound().to_endpoint<tcp::endpoint>());
  }

  std::error_code accept(std::size_t limit, bool thorough = true)
  {
    return listener->accept(
        limit, thorough, [this](posix::unique_fd socket, const posix::socket_address& peer) {
          CHECK(peer.port() != 0);
          accepted.push_back(std::move(socket));
        });
  }

  bool run_until_called()
  {
    called = false;
    listener->wait([this] { called = true; });
    context.restart();
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!called && std::chrono::steady_clock::now() < limit)
      context.run_one_for(std::chrono::seconds(1));
    return called;
  }

  asio::io_context context{1};
  std::optional<io::listener> listener;
  std::vector<tcp::socket> clients;
  std::vector<posix::unique_fd> accepted;
  bool called = false;
};

} // namespace

TEST_CASE("a listener accepts what waits, and no more than it is told to")
{
  listener_test test;
  test.connect(5);
  CHECK_FALSE(test.accept(3));
  CHECK(test.accepted.size() == 3);
  CHECK_FALSE(test.listener->is_empty());
  CHECK(test.accept(3) == std::errc::operation_would_block);
  CHECK(test.accepted.size() == 5);
  CHECK(test.listener->is_empty());
}

TEST_CASE("after a wakeup with a single connection no second one is looked for, but none is missed")
{
  listener_test test;
  test.connect(1);
  CHECK(test.accept(8, false) == std::errc::operation_would_block);
  REQUIRE(test.listener->is_empty());
  test.connect(2);
  CHECK(test.accept(8, false) == std::errc::operation_would_block);
  CHECK(test.accepted.size() == 2);
  CHECK_FALSE(test.listener->is_empty());
  // The second one is still there, and a new wait sees it.
  CHECK(test.run_until_called());
  CHECK(test.accept(8, true) == std::errc::operation_would_block);
  CHECK(test.accepted.size() == 3);
}

TEST_CASE("a wait ends when a connection arrives")
{
  listener_test test;
  CHECK(test.accept(1) == std::errc::operation_would_block);
  test.connect(1);
  CHECK(test.run_until_called());
  CHECK_FALSE(test.listener->is_waiting());
}

TEST_CASE("an interrupted wait never calls its handler, also when it was ready already")
{
  listener_test test;
  test.connect(1);
  test.listener->wait([&] { test.called = true; });
  CHECK(test.listener->is_waiting());
  SUBCASE("before the kernel was asked") { test.listener->interrupt(); }
  SUBCASE("by closing") { test.listener->close(); }
  CHECK_FALSE(test.listener->is_waiting());
  test.context.run_for(std::chrono::seconds(10));
  CHECK_FALSE(test.called);
}

TEST_CASE("a new wait after an interrupted one is called once")
{
  listener_test test;
  test.connect(1);
  int calls = 0;
  test.listener->wait([&] { calls += 100; });
  test.listener->interrupt();
  test.listener->wait([&] { ++calls; });
  test.context.run_for(std::chrono::seconds(10));
  CHECK(calls == 1);
}

TEST_CASE("others may go first: it wakes nobody here, and then the handler is called all the same")
{
  listener_test test;
  // What somebody else would have accepted from, and has not.
  test.connect(1);
  SUBCASE("before it waits") {}
  SUBCASE("when its wait is over") { CHECK(test.run_until_called()); }
  test.called = false;
  test.listener->let_others_go_first([&] { test.called = true; });
  CHECK(test.listener->is_waiting());
  test.context.restart();
  test.context.run_for(std::chrono::seconds(10));
  CHECK(test.called);
  CHECK_FALSE(test.listener->is_waiting());
  // It is open, and accepts, and can wait again.
  CHECK(test.listener->is_open());
  CHECK(test.accept(2) == std::errc::operation_would_block);
  CHECK(test.accepted.size() == 1);
  test.connect(1);
  CHECK(test.run_until_called());
}

TEST_CASE("a listener that lets others go first can be interrupted, and closed")
{
  listener_test test;
  test.listener->let_others_go_first([&] { test.called = true; });
  SUBCASE("interrupted")
  {
    test.listener->interrupt();
    test.context.run_for(std::chrono::seconds(10));
    CHECK_FALSE(test.called);
    test.connect(1);
    CHECK(test.run_until_called());
  }
  SUBCASE("closed")
  {
    test.listener->close();
    CHECK_FALSE(test.listener->is_open());
    test.context.run_for(std::chrono::seconds(10));
    CHECK_FALSE(test.called);
  }
}

TEST_CASE("a long path goes with its listener, and so does the directory it is reached by")
{
  const cohort_test::deep_directory deep;
  asio::io_context context(1);
  std::error_code error;
  const auto make = [&](io::listener::owner whose) {
    auto place = posix::reach_path(deep.file("x.sock"), error);
    auto socket = posix::listen_stream(place.address, posix::listen_settings(), error);
    REQUIRE_MESSAGE(!error, error.message());
    return std::make_unique<io::listener>(
        context.get_executor(), std::move(socket), std::move(place), error, whose);
  };
  // Of what is made only once.
  make(io::listener::owner::self);
  const auto before = cohort_test::count_descriptors();
  const auto made = make(io::listener::owner::self);
  REQUIRE_FALSE(error);
  CHECK(made->bound().family() == AF_UNIX);
  CHECK(made->bound().path().empty());
  CHECK(std::filesystem::is_socket(deep.file("x.sock")));
  SUBCASE("it is removed")
  {
    made->close();
    CHECK_FALSE(std::filesystem::exists(deep.file("x.sock")));
  }
  SUBCASE("what somebody else has put there stays")
  {
    std::filesystem::rename(deep.file("x.sock"), deep.file("ours"));
    const auto other = make(io::listener::owner::others_too);
    other->close();
    made->close();
    CHECK(std::filesystem::exists(deep.file("x.sock")));
  }
  CHECK(cohort_test::count_descriptors() == before);
}

TEST_CASE("backing off calls its handler after a pause, unless the listener closes")
{
  listener_test test;
  SUBCASE("it stays open")
  {
    test.listener->back_off([&] { test.called = true; });
    CHECK(test.listener->is_waiting());
    test.context.run_for(std::chrono::seconds(10));
    CHECK(test.called);
  }
  SUBCASE("it closes")
  {
    test.listener->back_off([&] { test.called = true; });
    test.listener->close();
    test.context.run_for(std::chrono::seconds(10));
    CHECK_FALSE(test.called);
  }
}

TEST_CASE("a listener that is let go closes, and leaves its path to others")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  asio::io_context context;
  std::error_code error;
  const auto where = posix::socket_address::from_path(path, error);
  auto socket = posix::listen_stream(where, posix::listen_settings(), error);
  io::listener made(context.get_executor(), std::move(socket), where, error);
  REQUIRE_FALSE(error);
  bool called = false;
  made.wait([&] { called = true; });
  made.let_go();
  CHECK_FALSE(made.is_open());
  context.run_for(std::chrono::seconds(10));
  CHECK(context.stopped());
  CHECK_FALSE(called);
  CHECK(std::filesystem::exists(path));
}

} // namespace listener_test
