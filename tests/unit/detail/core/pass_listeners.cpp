// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/pass_listeners.hpp>

#include <cohort/detail/core/dispatcher.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/unix_path.hpp>

#include "support/deep_directory.hpp"
#include "support/event_loop.hpp"
#include "support/noted_host.hpp"
#include "support/upgrade_channel.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace pass_listeners_test {

using namespace cohort::detail;
using cohort::candidate;
using cohort::worker_id;

namespace {

struct program {
  ~program() { connections.close(); }

  // Where it listens then.
  posix::socket_address listen(worker_id worker, const listen_key& asked)
  {
    wire::listen message;
    asked.describe_to(message);
    message.backlog = 16;
    message.mode = 0600;
    const auto answer = connections.listen(candidate(worker), message);
    REQUIRE(answer.value == 0);
    last = answer.listener;
    return answer.place.bound;
  }
  posix::socket_address listen(worker_id worker, std::uint16_t port = 0, std::uint16_t index = 0)
  {
    listen_key asked = cohort_test::loopback_key(port);
    asked.index = index;
    return listen(worker, asked);
  }
  void grant(worker_id worker, std::uint16_t window)
  {
    wire::credit message;
    message.listener = last;
    message.window = window;
    CHECK(connections.received(worker, message));
  }
  bool until_offered(worker_id worker, int count)
  {
    return cohort_test::run_bounded(context, [&] { return host.offered(worker) == count; });
  }
  std::vector<passed_listener> pass()
  {
    std::error_code error;
    auto passed = pass_listeners(connections, error);
    CHECK_FALSE(error);
    return passed;
  }

  // Connections of all listeners.
  std::vector<passed_listener> strand()
  {
    std::vector<passed_listener> all;
    give_stranded(connections,
        [&](passed_listener& each) { all.push_back(std::exchange(each, passed_listener())); });
    return all;
  }

  asio::io_context context;
  cohort_test::noted_host host;
  cohort_test::test_clients clients{context};
  dispatcher<cohort::round_robin, cohort_test::noted_host> connections{
      context.get_executor(), host, cohort::round_robin()};
  std::uint32_t last = 0;
};

} // namespace

TEST_CASE("all that is open is passed on, and another program goes on with it by the same keys")
{
  program old, next;
  const auto first = old.listen(1), second = old.listen(1, 0, 1);
  auto passed = old.pass();
  REQUIRE(passed.size() == 2);
  const cohort_test::replaced_program before(passed);
  passed.clear();
  let_go_listeners(old.connections);
  CHECK(old.pass().empty());
  CHECK(next.listen(1, 0, 1) == second);
  CHECK(next.listen(1, first.port()) == first);
  // Who comes is accepted there.
  next.clients.connect(first);
  next.grant(1, 1);
  CHECK(next.until_offered(1, 1));
}

TEST_CASE("what is passed stays open here until it is known who goes on with it")
{
  program old;
  const auto where = old.listen(1);
  listen_key asked = cohort_test::loopback_key();
  asked.kind = wire::listen_kind::udp;
  old.listen(1, asked);
  old.pass();
  old.connections.gone(1);
  CHECK(old.connections.size() == 2);
  // Who comes meanwhile finds the same.
  CHECK(old.listen(2) == where);
  old.connections.gone(2);
  SUBCASE("nobody")
  {
    take_back_listeners(old.connections);
    CHECK(old.connections.size() == 0);
  }
  SUBCASE("the other program")
  {
    let_go_listeners(old.connections);
    CHECK(old.connections.size() == 0);
  }
}

TEST_CASE("who is left here without anybody to serve him is served by the other program")
{
  program old, next;
  const auto first = old.listen(1);
  old.grant(1, 3);
  old.clients.connect(first, 3);
  REQUIRE(old.until_offered(1, 3));
  auto passed = old.pass();
  const cohort_test::replaced_program before(passed);
  passed.clear();
  CHECK(old.strand().empty());
  old.connections.gone(1);
  let_go_listeners(old.connections);
  // Nobody takes them at first.
  int tries = 0;
  give_stranded(old.connections, [&](passed_listener&) { ++tries; });
  CHECK(tries == 1);
  CHECK(old.connections.size() == 1);
  CHECK(old.connections.counters().accepted == 3);
  auto stranded = old.strand();
  REQUIRE(stranded.size() == 1);
  CHECK(stranded[0].sockets.size() == 3);
  CHECK(old.connections.size() == 0);
  CHECK(old.connections.counters().accepted == 0);

  std::error_code error;
  SUBCASE("who has asked for the same")
  {
    next.listen(1);
    next.grant(1, 8);
    adopt_stranded(next.connections, std::move(stranded[0]), error);
    CHECK_FALSE(error);
    CHECK(next.until_offered(1, 3));
    CHECK(next.connections.counters().accepted == 3);
  }
  SUBCASE("who has asked by another name")
  {
    next.listen(1, first.port());
    next.grant(1, 8);
    adopt_stranded(next.connections, std::move(stranded[0]), error);
    CHECK_FALSE(error);
    CHECK(next.until_offered(1, 3));
  }
  SUBCASE("unless it does not listen there")
  {
    next.listen(1, 0, 1);
    adopt_stranded(next.connections, std::move(stranded[0]), error);
    CHECK(error == std::errc::address_not_available);
    CHECK(next.connections.counters().accepted == 0);
  }
}

TEST_CASE("who was at every address on any port is served where its number is asked for")
{
  std::error_code error;
  const auto any = [&](std::uint16_t port) {
    return listen_key::of(asio::ip::tcp::endpoint(asio::ip::address_v4::any(), port), error);
  };
  for (const bool by_number : {false, true}) {
    CAPTURE(by_number);
    program old, next;
    const auto where = old.listen(1, any(0));
    old.grant(1, 2);
    old.clients.connect(cohort_test::loopback_key(where.port()).address, 2);
    REQUIRE(old.until_offered(1, 2));
    auto passed = old.pass();
    const cohort_test::replaced_program before(passed);
    passed.clear();
    let_go_listeners(old.connections);
    old.connections.gone(1);
    auto stranded = old.strand();
    REQUIRE(stranded.size() == 1);
    // As it arrives: only what was asked for is said.
    stranded[0].bound = posix::local_address(stranded[0].sockets.front().get(), error);
    CHECK(next.listen(1, any(by_number ? where.port() : 0)) == where);
    next.grant(1, 8);
    adopt_stranded(next.connections, std::move(stranded[0]), error);
    CHECK_FALSE(error);
    CHECK(next.until_offered(1, 2));
  }
}

TEST_CASE("what began after all was passed is served here to its end, and its path is removed")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  std::error_code error;
  const listen_key asked(
      wire::listen_kind::unix_stream, posix::socket_address::from_path(path, error));
  program old;
  old.listen(1);
  old.pass();
  old.listen(1, asked);
  let_go_listeners(old.connections);
  CHECK(std::filesystem::exists(path));
  CHECK(old.strand().empty());
  asio::local::stream_protocol::socket client(old.context);
  client.connect(path);
  old.grant(1, 1);
  CHECK(old.until_offered(1, 1));
  old.connections.gone(1);
  CHECK(old.connections.size() == 0);
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a path that is asked for when the new program owns it is removed by that one")
{
  const cohort_test::scratch_directory folder;
  const cohort_test::deep_directory deep;
  for (const std::string& path : {folder.file("socket"), deep.file("socket")}) {
    for (const bool is_claimed : {true, false}) {
      CAPTURE(is_claimed);
      std::error_code error;
      const listen_key asked = listen_key::of(cohort::unix_path(path), error);
      program old, next;
      old.listen(1, asked);
      auto passed = old.pass();
      const cohort_test::replaced_program before(passed);
      passed.clear();
      let_go_listeners(old.connections);
      old.connections.gone(1);
      predecessor::of_this_process().give_way();
      take_over_listeners(next.connections);
      CHECK(std::filesystem::is_socket(path));
      if (is_claimed) {
        next.listen(1, asked);
        predecessor::of_this_process().close_unclaimed();
        CHECK(std::filesystem::is_socket(path));
        next.connections.gone(1);
      } else {
        predecessor::of_this_process().close_unclaimed();
      }
      CHECK_FALSE(std::filesystem::is_socket(path));
    }
  }
}

TEST_CASE("a path that somebody else has taken meanwhile is left to him")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  std::error_code error;
  const listen_key asked = listen_key::of(cohort::unix_path(path), error);
  program old;
  old.listen(1, asked);
  auto passed = old.pass();
  const cohort_test::replaced_program before(passed);
  passed.clear();
  let_go_listeners(old.connections);
  predecessor::of_this_process().give_way();
  std::filesystem::rename(path, path + ".away");
  std::ofstream(path) << "other";
  predecessor::of_this_process().close_unclaimed();
  CHECK(std::filesystem::is_regular_file(path));
  std::filesystem::remove(path + ".away");
}

TEST_CASE("a path is removed by the program that owns it in the end")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  std::error_code error;
  const listen_key asked(
      wire::listen_kind::unix_stream, posix::socket_address::from_path(path, error));
  program old, next;
  old.listen(1, asked);
  auto passed = old.pass();
  const cohort_test::replaced_program before(passed);
  passed.clear();
  next.listen(1, asked);
  SUBCASE("the new one, when it has got it")
  {
    let_go_listeners(old.connections);
    old.connections.gone(1);
    take_over_listeners(next.connections);
    CHECK(std::filesystem::exists(path));
    next.connections.gone(1);
    CHECK_FALSE(std::filesystem::exists(path));
  }
  SUBCASE("the old one, when it has not")
  {
    next.connections.gone(1);
    CHECK(std::filesystem::exists(path));
    take_back_listeners(old.connections);
    CHECK(std::filesystem::exists(path));
    old.connections.gone(1);
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

} // namespace pass_listeners_test
