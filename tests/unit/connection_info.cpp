// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/connection_info.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <type_traits>

namespace connection_info_test {

using cohort::connection_info;

namespace {

template <std::size_t Size>
std::array<std::byte, Size> counted_bytes()
{
  std::array<std::byte, Size> bytes;
  for (std::size_t i = 0; i != Size; ++i) bytes[i] = static_cast<std::byte>(i + 1);
  return bytes;
}

// It waits in queues beside its connection.
static_assert(std::is_trivially_copyable_v<connection_info>);

} // namespace

TEST_CASE("a connection's info keeps the peer's address, port and arrival")
{
  const auto arrival = connection_info::clock::now();
  const auto v4 = counted_bytes<4>();
  const connection_info info(v4, 4711, arrival);
  CHECK(std::ranges::equal(info.peer_address(), v4));
  CHECK(info.peer_port() == 4711);
  CHECK(info.arrival() == arrival);
  const auto v6 = counted_bytes<16>();
  CHECK(std::ranges::equal(connection_info(v6, 1, arrival).peer_address(), v6));
}

TEST_CASE("the peer of a unix socket has neither address nor port")
{
  const connection_info info({}, 0, connection_info::clock::time_point());
  CHECK(info.peer_address().empty());
  CHECK(info.peer_port() == 0);
  CHECK(connection_info().peer_address().empty());
}

TEST_CASE("bytes that no address has are cut off")
{
  const auto many = counted_bytes<20>();
  const connection_info info(many, 1, connection_info::clock::time_point());
  CHECK(info.peer_address().size() == 16);
}

TEST_CASE("a connection knows its listener and what that is bound to")
{
  connection_info info;
  CHECK(info.listener() == 0);
  CHECK(info.local_address().empty());
  const auto v4 = counted_bytes<4>();
  info.set_listener(3, v4, 8080);
  CHECK(info.listener() == 3);
  CHECK(std::ranges::equal(info.local_address(), v4));
  CHECK(info.local_port() == 8080);
  CHECK(info.peer_port() == 0);
}

TEST_CASE("a connection is not overdue, and has no first bytes, before it is said")
{
  connection_info info;
  CHECK_FALSE(info.overdue());
  CHECK(info.first_bytes().empty());
  const auto sent = counted_bytes<3>();
  info.set_first_bytes(sent);
  info.set_overdue(true);
  CHECK(info.first_bytes().data() == sent.data());
  CHECK(info.first_bytes().size() == 3);
  CHECK(info.overdue());
}

} // namespace connection_info_test
