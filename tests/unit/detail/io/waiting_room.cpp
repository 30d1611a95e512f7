// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/io/waiting_room.hpp>

#include <doctest/doctest.h>

#include "support/noted_host.hpp"
#include "support/socket_pairs.hpp"

#include <asio/io_context.hpp>

#include <chrono>
#include <utility>
#include <vector>

namespace waiting_room_test {

using namespace cohort::detail;
using namespace std::chrono_literals;
using cohort_test::socket_pair;

namespace {

struct fixture {
  explicit fixture(io::waiting_room<posix::unique_fd>::clock::duration limit = 1h)
      : room(context.get_executor(), limit, error)
  {
    REQUIRE_FALSE(error);
  }

  void enter(socket_pair& pair)
  {
    const int socket = pair.server.get();
    room.enter(std::move(pair.server), error);
    CHECK_FALSE(error);
    sockets.push_back(socket);
  }
  // Everybody to whom anything came is done.
  void look()
  {
    room.look([this](const posix::unique_fd&, bool has_ended) {
      ended = has_ended;
      return true;
    });
  }
  // Who leaves next: the how-manieth that entered.
  int leave()
  {
    const posix::unique_fd leaving = room.leave();
    for (std::size_t i = 0; i != sockets.size(); ++i)
      if (sockets[i] == leaving.get()) return static_cast<int>(i);
    return -1;
  }
  void wait()
  {
    room.wait([this] { ++called; });
  }
  bool is_called(int times)
  {
    return cohort_test::run_bounded(context, [&] { return called == times; });
  }

  asio::io_context context;
  std::error_code error;
  io::waiting_room<posix::unique_fd> room;
  std::vector<int> sockets;
  bool ended = false;
  int called = 0;
};

} // namespace

TEST_CASE("nobody leaves before something comes, or the time is over")
{
  fixture test;
  socket_pair first, second;
  test.enter(first);
  test.enter(second);
  test.look();
  CHECK_FALSE(test.room.has_leaving());
  second.send("a");
  test.wait();
  CHECK(test.is_called(1));
  test.look();
  CHECK(test.room.has_leaving());
  CHECK(test.leave() == 1);
  CHECK_FALSE(test.room.has_leaving());
  CHECK(test.room.size() == 1);
}

TEST_CASE("who is not done goes on waiting, and is asked again when more comes")
{
  fixture test;
  socket_pair pair;
  test.enter(pair);
  int asked = 0;
  for (int i = 1; i != 4; ++i) {
    pair.send("a");
    test.wait();
    CHECK(test.is_called(i));
    test.room.look([&](const posix::unique_fd&, bool) { return ++asked == 3; });
    CHECK(asked == i);
    CHECK(test.room.has_leaving() == (i == 3));
  }
  CHECK(test.leave() == 0);
}

TEST_CASE("the first one leaves when its time is over, without anything having come")
{
  fixture test(20ms);
  socket_pair first, second;
  test.enter(first);
  test.wait();
  CHECK(test.is_called(1));
  CHECK(test.room.has_leaving());
  CHECK(test.leave() == 0);
  test.enter(second);
  test.wait();
  CHECK(test.is_called(2));
  CHECK(test.leave() == 1);
}

TEST_CASE("without anybody done, who has waited longest leaves first")
{
  fixture test;
  std::vector<socket_pair> pairs(3);
  for (socket_pair& each : pairs) test.enter(each);
  pairs[2].send("a");
  test.look();
  CHECK(test.leave() == 2);
  CHECK(test.leave() == 0);
  CHECK(test.leave() == 1);
  CHECK(test.room.empty());
}

TEST_CASE("that a client ends is news")
{
  fixture test;
  socket_pair pair;
  test.enter(pair);
  pair.client.reset();
  test.wait();
  CHECK(test.is_called(1));
  test.look();
  CHECK(test.ended);
  CHECK(test.leave() == 0);
}

TEST_CASE("an empty room, and one that was interrupted, are no work")
{
  fixture test;
  test.wait();
  CHECK_FALSE(test.room.is_waiting());
  socket_pair pair;
  test.enter(pair);
  test.wait();
  CHECK(test.room.is_waiting());
  test.wait();
  test.room.interrupt();
  CHECK_FALSE(test.room.is_waiting());
  pair.send("a");
  test.context.restart();
  test.context.run();
  CHECK(test.called == 0);
  // Nothing was missed.
  test.wait();
  CHECK(test.is_called(1));
  test.look();
  test.leave();
  test.context.run();
}

TEST_CASE("those who are left are closed, and watched no more")
{
  fixture test;
  socket_pair first, second;
  std::error_code error;
  const posix::unique_fd other = posix::duplicate(first.server.get(), error);
  test.enter(first);
  test.enter(second);
  second.send("a");
  test.look();
  CHECK(test.room.clear() == 2);
  CHECK(test.room.clear() == 0);
  CHECK(second.ended());
  CHECK_FALSE(first.ended());
  first.send("a");
  socket_pair third;
  test.enter(third);
  test.look();
  CHECK_FALSE(test.room.has_leaving());
}

TEST_CASE("one look ends although clients go on sending")
{
  fixture test;
  std::vector<socket_pair> pairs(128);
  for (socket_pair& each : pairs) test.enter(each);
  for (const socket_pair& each : pairs) each.send("a");
  std::size_t asked = 0;
  test.room.look([&](const posix::unique_fd&, bool) {
    pairs[asked++ % pairs.size()].send("a");
    return false;
  });
  CHECK(asked >= 128);
  CHECK(asked <= 1024);
  test.wait();
  CHECK(test.is_called(1));
}

TEST_CASE("who cannot be watched stays the caller's")
{
  fixture test;
  posix::unique_fd none;
  test.room.enter(std::move(none), test.error);
  CHECK(test.error == std::errc::bad_file_descriptor);
  CHECK(test.room.empty());
}

} // namespace waiting_room_test
