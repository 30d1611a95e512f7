// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/candidate.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <type_traits>

namespace candidate_test {

using cohort::candidate;
using cohort::connection_info;

namespace {

template <std::size_t Size>
std::array<std::byte, Size> counted_bytes()
{
  std::array<std::byte, Size> bytes;
  for (std::size_t i = 0; i != Size; ++i) bytes[i] = static_cast<std::byte>(i + 1);
  return bytes;
}

// The array of candidates is kept up to date by plain copies.
static_assert(std::is_trivially_copyable_v<candidate>);
static_assert(!std::is_convertible_v<cohort::worker_id, candidate>);

} // namespace

TEST_CASE("a candidate is not ready before it grants credit")
{
  candidate member(7);
  CHECK(member.id == 7);
  CHECK_FALSE(member.ready());
  member.window = 1;
  CHECK(member.ready());
}

TEST_CASE("a candidate is ready while it has fewer offers than credit")
{
  candidate member(1);
  member.window = 2;
  member.offers = 1;
  CHECK(member.ready());
  member.offers = 2;
  CHECK_FALSE(member.ready());
  // Credit may have been withdrawn below what is offered already.
  member.window = 1;
  CHECK_FALSE(member.ready());
}

TEST_CASE("a candidate that is closed to offers is not ready, whatever its credit")
{
  candidate member(1);
  member.window = 16;
  member.open_to_offers = false;
  CHECK_FALSE(member.ready());
}

TEST_CASE("the index that means wait is none that a member can have")
{
  CHECK(cohort::wait > std::size_t(1) << 30);
}

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

} // namespace candidate_test
