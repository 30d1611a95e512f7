// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/readiness.hpp>

#include <doctest/doctest.h>

#include "support/socket_pairs.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace readiness_test {

using namespace cohort::detail::posix;
using cohort_test::socket_pair;

namespace {

struct fixture {
  fixture() : set(open_readiness(error)) { REQUIRE_FALSE(error); }

  void add(const socket_pair& pair, std::uint64_t key)
  {
    watch(set.get(), pair.server.get(), key, error);
    CHECK_FALSE(error);
  }
  // The keys of those with news, those that have ended as their negatives.
  std::vector<int> news()
  {
    std::vector<int> found;
    take_news(set.get(), [&](std::uint64_t key, bool ended) {
      found.push_back(ended ? -static_cast<int>(key) : static_cast<int>(key));
    });
    return found;
  }

  std::error_code error;
  unique_fd set;
};

} // namespace

TEST_CASE("each arrival is told of once, though nobody reads")
{
  fixture test;
  socket_pair pair;
  pair.send("a");
  test.add(pair, 7);
  CHECK(test.news() == std::vector{7});
  CHECK(test.news().empty());
  pair.send("b");
  CHECK(test.news() == std::vector{7});
  CHECK(test.news().empty());
}

TEST_CASE("who ends is told of as such, also after something has come")
{
  fixture test;
  socket_pair pair;
  test.add(pair, 1);
  CHECK(test.news().empty());
  pair.send("a");
  ::shutdown(pair.client.get(), SHUT_WR);
  CHECK(test.news() == std::vector{-1});
  socket_pair closed;
  test.add(closed, 2);
  closed.client.reset();
  CHECK(test.news() == std::vector{-2});
}

TEST_CASE("more sockets than are asked for at a time are all told of")
{
  fixture test;
  std::vector<socket_pair> pairs(150);
  for (std::size_t i = 0; i != pairs.size(); ++i) {
    test.add(pairs[i], i);
    pairs[i].send("a");
  }
  CHECK(test.news().size() == 150);
}

TEST_CASE("nothing is told of who is not watched any more, though somebody has its socket")
{
  fixture test;
  socket_pair pair;
  test.add(pair, 1);
  const unique_fd other = duplicate(pair.server.get(), test.error);
  unwatch(test.set.get(), pair.server.get());
  pair.server.reset();
  pair.send("a");
  CHECK(test.news().empty());
}

TEST_CASE("what is no socket cannot be watched")
{
  fixture test;
  watch(test.set.get(), -1, 1, test.error);
  CHECK(test.error == std::errc::bad_file_descriptor);
}

TEST_CASE("looking takes nothing away")
{
  socket_pair pair;
  std::array<std::byte, 3> buffer;
  std::error_code error;
  CHECK(peek(pair.server.get(), buffer, error) == 0);
  CHECK(would_block(error));
  pair.send("ab");
  for (int i = 0; i != 2; ++i) {
    CHECK(peek(pair.server.get(), buffer, error) == 2);
    CHECK_FALSE(error);
    CHECK(buffer[1] == std::byte('b'));
  }
  pair.send("cd");
  CHECK(peek(pair.server.get(), buffer, error) == 3);
  char byte = 0;
  CHECK(::recv(pair.server.get(), &byte, 1, 0) == 1);
  CHECK(byte == 'a');
  socket_pair ended;
  ended.client.reset();
  CHECK(peek(ended.server.get(), buffer, error) == 0);
  CHECK_FALSE(error);
}

} // namespace readiness_test
