// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/peeked_connection.hpp>

#include <doctest/doctest.h>

#include "support/socket_pairs.hpp"

#include <utility>

namespace peeked_connection_test {

using namespace cohort::detail;
using cohort_test::socket_pair;
using cohort_test::text_of;

TEST_CASE("more may come as long as there are fewer than wanted")
{
  socket_pair pair;
  peeked_connection connection(std::move(pair.server));
  CHECK_FALSE(connection.look(4));
  CHECK(connection.first_bytes().empty());
  pair.send("ab");
  CHECK_FALSE(connection.look(4));
  CHECK(text_of(connection.first_bytes()) == "ab");
  pair.send("cdef");
  CHECK(connection.look(4));
  CHECK(text_of(connection.first_bytes()) == "abcd");
}

TEST_CASE("nothing comes from a client that has ended, or from what is no socket")
{
  socket_pair pair;
  peeked_connection connection(std::move(pair.server));
  pair.client.reset();
  CHECK(connection.look(4));
  CHECK(connection.first_bytes().empty());
  peeked_connection none;
  CHECK(none.look(4));
}

TEST_CASE("the socket can be had of it, with what was looked at")
{
  socket_pair pair;
  peeked_connection connection(std::move(pair.server));
  pair.send("ab");
  connection.look(4);
  const posix::unique_fd socket = std::move(connection);
  char bytes[3] = {};
  CHECK(::recv(socket.get(), bytes, 2, 0) == 2);
  CHECK(std::string(bytes) == "ab");
}

} // namespace peeked_connection_test
