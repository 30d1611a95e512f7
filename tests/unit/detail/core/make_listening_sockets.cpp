// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/make_listening_sockets.hpp>

#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>

#include "support/deep_directory.hpp"
#include "support/upgrade_channel.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace make_listening_sockets_test {

using namespace cohort::detail;
using cohort::candidate;
using cohort_test::count_descriptors;
using cohort_test::inode_of;
using cohort_test::listener_at;
using cohort_test::loopback_key;
using cohort_test::replaced_program;

namespace {

struct fixture {
  template <class Policy>
  std::optional<listening_sockets> make(
      const listen_key& asked, Policy policy, posix::unique_fd inherited = posix::unique_fd())
  {
    wire::listen message;
    asked.describe_to(message);
    message.backlog = 16;
    message.mode = 0600;
    error.clear();
    return make_listening_sockets(
        context.get_executor(), message, asked, std::move(inherited), policy, error);
  }
  // Those of a listener that are open.
  std::set<ino_t> inodes(listening_sockets& of)
  {
    std::vector<posix::unique_fd> copies;
    of.copy_to(copies, error);
    CHECK_FALSE(error);
    std::set<ino_t> all;
    for (const auto& each : copies) all.insert(inode_of(each.get()));
    return all;
  }

  asio::io_context context{1};
  std::error_code error;
};

std::vector<passed_listener> only(passed_listener one)
{
  std::vector<passed_listener> all;
  all.push_back(std::move(one));
  return all;
}

std::set<ino_t> inodes(const passed_listener& of)
{
  std::set<ino_t> all;
  for (const auto& each : of.sockets) all.insert(inode_of(each.get()));
  return all;
}

listen_key named() { return listen_key::of(cohort::inherited_socket("http")); }

} // namespace

TEST_CASE("who accepts follows from the policy, and from what can have several sockets")
{
  CHECK(sharing_of(cohort::round_robin(), false) == wire::sharing::offers);
  CHECK(sharing_of(cohort::round_robin(), true) == wire::sharing::offers);
  CHECK(sharing_of(cohort::shared(), false) == wire::sharing::one_socket);
  CHECK(sharing_of(cohort::reuse_port(), false) == wire::sharing::own_socket);
  CHECK(sharing_of(cohort::reuse_port(), true) == wire::sharing::one_socket);
}

TEST_CASE("without a process before this one it is bound, or is what was inherited")
{
  fixture test;
  auto bound = test.make(loopback_key(), cohort::reuse_port());
  REQUIRE(bound);
  CHECK(bound->how() == wire::sharing::own_socket);
  CHECK(bound->bound().port() != 0);
  passed_listener other = listener_at(loopback_key());
  const auto inode = inodes(other);
  auto inherited = test.make(named(), cohort::reuse_port(), std::move(other.sockets.front()));
  REQUIRE(inherited);
  CHECK(inherited->how() == wire::sharing::one_socket);
  CHECK(test.inodes(*inherited) == inode);
  // With an error there is none.
  CHECK_FALSE(test.make(loopback_key(bound->bound().port()), cohort::round_robin()));
  CHECK(test.error == std::errc::address_in_use);
}

TEST_CASE("what the process before this one has is gone on with, whatever the policy, and once")
{
  fixture test;
  const auto check = [&](auto policy, wire::sharing how) {
    const auto passed = only(listener_at(loopback_key(), 3));
    const replaced_program before(passed);
    auto sockets = test.make(loopback_key(), policy);
    REQUIRE(sockets);
    CHECK(sockets->how() == how);
    CHECK(sockets->bound().port() == passed.front().bound.port());
    CHECK(test.inodes(*sockets) == inodes(passed.front()));
    auto second = test.make(loopback_key(), policy);
    REQUIRE(second);
    CHECK(second->bound().port() != sockets->bound().port());
  };
  check(cohort::round_robin(), wire::sharing::offers);
  check(cohort::shared(), wire::sharing::one_socket);
  check(cohort::reuse_port(), wire::sharing::own_socket);
}

TEST_CASE("a port that the kernel has chosen is gone on with by its index, or by its number")
{
  fixture test;
  std::vector<passed_listener> passed;
  for (std::uint16_t index = 0; index != 2; ++index) {
    listen_key asked = loopback_key();
    asked.index = index;
    passed.push_back(listener_at(asked));
  }
  const replaced_program before(passed);
  auto second = test.make(passed[1].asked, cohort::round_robin());
  REQUIRE(second);
  CHECK(second->bound().port() == passed[1].bound.port());
  auto first = test.make(loopback_key(passed[0].bound.port()), cohort::round_robin());
  REQUIRE(first);
  CHECK(test.inodes(*first) == inodes(passed[0]));
}

TEST_CASE("what had a name is one socket for all workers still")
{
  fixture test;
  const auto passed = only(listener_at(named()));
  const replaced_program before(passed);
  auto sockets = test.make(named(), cohort::reuse_port());
  REQUIRE(sockets);
  CHECK(sockets->how() == wire::sharing::one_socket);
  CHECK(test.inodes(*sockets) == inodes(passed.front()));
}

TEST_CASE("a path goes on with its socket, and goes away with it")
{
  const cohort_test::scratch_directory folder;
  const cohort_test::deep_directory deep;
  for (const std::string& path : {folder.file("socket"), deep.file("socket")}) {
    fixture test;
    const auto asked = listen_key::of(cohort::unix_path(path), test.error);
    auto old = test.make(asked, cohort::round_robin());
    REQUIRE(old);
    passed_listener copy;
    copy.asked = asked;
    old->copy_to(copy.sockets, test.error);
    const auto passed = only(std::move(copy));
    const replaced_program before(passed);
    old->let_go();
    CHECK(std::filesystem::is_socket(path));
    auto sockets = test.make(asked, cohort::round_robin());
    REQUIRE_MESSAGE(sockets, test.error.message());
    CHECK(test.inodes(*sockets) == inodes(passed.front()));
    // From the moment in which the other program has given it away.
    sockets->own_path();
    sockets->close();
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_CASE("a long path that is gone is an error, and no socket of it stays")
{
  const std::size_t before_all = count_descriptors();
  {
    const cohort_test::deep_directory deep;
    fixture test;
    const auto asked = listen_key::of(cohort::unix_path(deep.file("no/such/socket")), test.error);
    const std::size_t before = count_descriptors();
    {
      const replaced_program other(only(listener_at(asked)));
      CHECK_FALSE(test.make(asked, cohort::round_robin()));
      CHECK(test.error == std::errc::no_such_file_or_directory);
    }
    CHECK(count_descriptors() == before);
  }
  CHECK(count_descriptors() == before_all);
}

} // namespace make_listening_sockets_test
