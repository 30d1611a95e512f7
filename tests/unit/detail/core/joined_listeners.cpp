// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/joined_listeners.hpp>

#include <doctest/doctest.h>

#include "support/noted_port.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>

#include <cstdint>
#include <memory>
#include <system_error>
#include <vector>

namespace joined_listeners_test {

using namespace cohort::detail;
using numbers = std::vector<std::uint32_t>;

namespace {

posix::socket_address at_port(std::uint16_t port)
{
  std::error_code error;
  return posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
}

listen_key asked_for(std::uint16_t port, std::uint16_t index = 0)
{
  listen_key key(wire::listen_kind::tcp, at_port(port));
  key.index = index;
  return key;
}

struct fixture {
  asio::io_context context{1};
  cohort_test::noted_port port;
  std::vector<joined_listeners::source_pointer> sources;
  joined_listeners joined;

  // Joins a listener, and keeps its source.
  joined_listeners::source_pointer add(
      std::uint32_t listener, std::uint16_t asked = 80, std::uint16_t index = 0)
  {
    sources.push_back(std::make_shared<offered_source>(context.get_executor(),
        std::make_shared<cohort_test::silent_owner>(), port, at_port(asked), listener, 1));
    joined.add(listener, asked_for(asked, index), sources.back());
    return sources.back();
  }
  numbers all() const
  {
    numbers found;
    joined.for_each([&](const offered_source& each) { found.push_back(each.listener()); });
    return found;
  }
};

} // namespace

TEST_CASE("a joined listener is found by its number until it is removed")
{
  fixture f;
  CHECK(f.joined.find(1) == nullptr);
  const auto first = f.add(1), second = f.add(2, 81);
  CHECK(f.joined.find(1) == first);
  CHECK(f.joined.find(2) == second);
  CHECK(f.joined.find(3) == nullptr);
  f.joined.remove(1);
  CHECK(f.joined.find(1) == nullptr);
  CHECK(f.joined.find(2) == second);
  f.joined.remove(1);
  f.joined.remove(7);
  CHECK(f.all() == numbers{2});
}

TEST_CASE("an address is in use with the index it was asked for, and free again when removed")
{
  fixture f;
  f.add(1, 80, 0);
  f.add(2, 80, 1);
  CHECK(f.joined.uses(asked_for(80, 0)));
  CHECK(f.joined.uses(asked_for(80, 1)));
  CHECK_FALSE(f.joined.uses(asked_for(80, 2)));
  CHECK_FALSE(f.joined.uses(asked_for(81, 0)));
  f.joined.remove(1);
  CHECK_FALSE(f.joined.uses(asked_for(80, 0)));
  CHECK(f.joined.uses(asked_for(80, 1)));
}

TEST_CASE("what the program asked for counts, not where it is bound")
{
  fixture f;
  const auto source = std::make_shared<offered_source>(f.context.get_executor(),
      std::make_shared<cohort_test::silent_owner>(), f.port, at_port(4'711), 1, 1);
  f.joined.add(1, asked_for(0), source);
  CHECK(f.joined.uses(asked_for(0, 0)));
  CHECK_FALSE(f.joined.uses(asked_for(4'711, 0)));
}

TEST_CASE("sources are the program's: one that it dropped is not found, and not kept")
{
  fixture f;
  f.add(1);
  f.add(2, 81);
  CHECK(f.sources[0].use_count() == 1);
  f.sources.erase(f.sources.begin());
  CHECK(f.joined.find(1) == nullptr);
  CHECK(f.all() == numbers{2});
  // The primary knows it until it is told.
  CHECK(f.joined.uses(asked_for(80, 0)));
}

TEST_CASE("each source is visited once, in the order they joined, whatever is changed meanwhile")
{
  fixture f;
  for (std::uint32_t i = 1; i != 5; ++i) f.add(i, static_cast<std::uint16_t>(80 + i));
  numbers visited;
  f.joined.for_each([&](offered_source& each) {
    visited.push_back(each.listener());
    f.joined.remove(each.listener());
    if (each.listener() == 1) {
      f.joined.remove(3);
      f.add(9, 99);
    }
    // Gone before its turn comes.
    if (each.listener() == 2) f.sources[3].reset();
  });
  CHECK(visited == numbers{1, 2, 3});
  CHECK(f.all() == numbers{9});
}

} // namespace joined_listeners_test
