// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/io/refusals.hpp>

#include <doctest/doctest.h>

#include "support/noted_host.hpp"
#include "support/socket_pairs.hpp"

#include <asio/io_context.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace refusals_test {

using namespace cohort::detail;
using cohort::overflow;
using cohort_test::socket_pair;

namespace {

struct fixture {
  explicit fixture(overflow how) : refusals(context.get_executor(), std::move(how), error)
  {
    REQUIRE_FALSE(error);
  }

  void refuse(socket_pair& pair)
  {
    refusals.refuse(std::move(pair.server));
    refusals.attend(owner);
  }

  asio::io_context context;
  std::error_code error;
  std::shared_ptr<int> owner = std::make_shared<int>();
  io::refusals refusals;
};

} // namespace

TEST_CASE("a client that is refused reads the answer and its end")
{
  fixture test(overflow::refuse("no room"));
  socket_pair pair;
  pair.send("a request");
  test.refuse(pair);
  CHECK(pair.received() == "no room");
  CHECK(pair.ended());
}

TEST_CASE("what it goes on to send does not destroy the answer, and its end is waited for")
{
  fixture test(overflow::refuse("no room"));
  socket_pair pair;
  test.refuse(pair);
  test.context.poll();
  pair.send("a late request");
  test.context.restart();
  test.context.poll();
  pair.send("and more");
  CHECK(pair.received() == "no room");
  pair.client.reset();
  // With nobody left there is nothing to be done.
  test.context.restart();
  test.context.run();
  CHECK(test.owner.use_count() == 1);
}

TEST_CASE("a client that does not end is closed all the same")
{
  fixture test(overflow::refuse("no room"));
  socket_pair pair;
  test.refuse(pair);
  test.context.run();
  CHECK(::send(pair.client.get(), "a", 1, MSG_NOSIGNAL) == -1);
}

TEST_CASE("one that sends without end is closed at once")
{
  fixture test(overflow::refuse("no room"));
  socket_pair pair;
  test.refuse(pair);
  const std::string much(4096, 'x');
  const auto closed = [&] {
    while (::send(pair.client.get(), much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
    }
    return errno == EPIPE;
  };
  CHECK(cohort_test::run_bounded(test.context, closed));
}

TEST_CASE("with many refused ones who was told first is closed for the last")
{
  fixture test(overflow::refuse("no room"));
  std::vector<socket_pair> pairs(260);
  for (socket_pair& each : pairs) test.refuse(each);
  const auto is_closed = [](const socket_pair& pair) {
    return ::send(pair.client.get(), "a", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == -1;
  };
  CHECK(is_closed(pairs[0]));
  CHECK(is_closed(pairs[3]));
  CHECK_FALSE(is_closed(pairs[4]));
  CHECK_FALSE(is_closed(pairs[259]));
  test.refusals.clear();
  CHECK(is_closed(pairs[259]));
  test.context.run();
}

TEST_CASE("the answer can be another one from now on, and who was told the old one is waited for")
{
  fixture test(overflow::refuse("no room"));
  CHECK(test.refusals.empty());
  socket_pair first, second, third;
  test.refuse(first);
  CHECK_FALSE(test.refusals.empty());
  test.refusals.set(overflow::refuse("gone"));
  test.refuse(second);
  CHECK(first.received() == "no room");
  CHECK(second.received() == "gone");
  test.refusals.set(overflow::reset());
  test.refuse(third);
  CHECK(third.received().empty());
  first.client.reset();
  second.client.reset();
  test.context.run();
  CHECK(test.refusals.empty());
}

TEST_CASE("a reset is closed at once")
{
  fixture test(overflow::reset());
  socket_pair pair;
  test.refuse(pair);
  CHECK(pair.received().empty());
  CHECK(pair.ended());
  test.context.run();
  CHECK(test.owner.use_count() == 1);
}

} // namespace refusals_test
