// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/primary_listens.hpp>

#include <cohort/detail/core/dispatcher.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include <doctest/doctest.h>

#include "support/noted_host.hpp"
#include "support/scratch.hpp"

#include <asio/io_context.hpp>

#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>

namespace primary_listens_test {

using namespace cohort::detail;
using cohort::candidate;
using cohort::listen_options;
using cohort::overflow;

namespace {

using dispatcher_type = dispatcher<cohort::round_robin, cohort_test::noted_host>;

struct fixture {
  ~fixture()
  {
    connections.close();
    CHECK_FALSE(host.wrong);
  }

  static listen_key key(const posix::socket_address& where)
  {
    const bool is_unix = where.family() == AF_UNIX;
    return listen_key(is_unix ? wire::listen_kind::unix_stream : wire::listen_kind::tcp, where);
  }
  static listen_key loopback(std::uint16_t port = 0)
  {
    std::error_code ignored;
    return key(posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), ignored));
  }

  // One that succeeds.
  posix::socket_address listen(const listen_key& where)
  {
    std::error_code error;
    const auto bound = listens.listen(where, listen_options(), error);
    CHECK_MESSAGE(!error, error.message());
    return bound;
  }
  std::error_code fails(const listen_key& where)
  {
    std::error_code error;
    const auto bound = listens.listen(where, listen_options(), error);
    CHECK(bound.empty());
    return error;
  }
  // A worker's listen: the number of the listener, 0 when it fails.
  std::uint32_t join(cohort::worker_id worker, listen_key where, std::uint16_t index = 0)
  {
    where.index = index;
    const auto answer =
        connections.listen(candidate(worker), listen_request(where, listen_options()));
    return answer.category == wire::error_kind::none ? answer.listener : 0;
  }
  static bool is_free(const posix::socket_address& where)
  {
    std::error_code error;
    posix::listen_stream(where, posix::listen_settings(), error);
    return !error;
  }

  asio::io_context context;
  cohort_test::noted_host host;
  cohort_test::test_clients clients{context};
  dispatcher_type connections{context.get_executor(), host, cohort::round_robin()};
  primary_listens<dispatcher_type> listens{connections};
};

} // namespace

TEST_CASE("the primary listens where nobody does, and workers join it")
{
  fixture test;
  const auto bound = test.listen(test.loopback());
  CHECK(bound.port() != 0);
  CHECK_FALSE(test.is_free(bound));
  const auto id = test.join(1, test.key(bound));
  CHECK(id != 0);
  CHECK(test.join(2, test.key(bound)) == id);
  CHECK(test.connections.size() == 1);
  // It stays when they have gone.
  test.connections.gone(1);
  test.connections.gone(2);
  test.connections.close_unused();
  CHECK(test.join(3, test.key(bound)) == id);
  test.connections.gone(3);
  test.listens.stop(test.key(bound));
  CHECK(test.connections.size() == 0);
  CHECK(test.is_free(bound));
}

TEST_CASE("it can be given the socket for a place, and workers join that")
{
  fixture test;
  std::error_code error;
  auto made = posix::listen_stream(test.loopback().address, {}, error);
  const auto where = posix::local_address(made.get(), error);
  // As one that another program has left: it cannot be bound anew.
  CHECK(test.fails(test.key(where)) == std::errc::address_in_use);
  CHECK(test.listens.listen(test.key(where), listen_options(), error, std::move(made)) == where);
  CHECK_FALSE(error);
  CHECK(test.join(1, test.key(where)) != 0);
  CHECK(test.fails(test.key(where)) == std::errc::address_in_use);

  const auto named = listen_key::of(cohort::inherited_socket("primary_listens_test", 1));
  CHECK(test.fails(named) == cohort::error::not_inherited);
  CHECK(test.join(1, named, 1) == 0);
  made = posix::listen_stream(test.loopback().address, {}, error);
  const auto other = posix::local_address(made.get(), error);
  CHECK(test.listens.listen(named, listen_options(), error, std::move(made)) == other);
  // Whatever they know of it, and nobody has to find the name any more.
  const auto id = test.join(1, named, 1);
  CHECK(id != 0);
  CHECK(test.join(2, test.key(other)) == id);
  CHECK(test.join(2, named, 2) == 0);
  test.connections.gone(1);
  test.connections.gone(2);
  test.listens.stop(named);
  CHECK(test.is_free(other));
}

TEST_CASE("it can listen once at each place, by whatever name")
{
  fixture test;
  const auto bound = test.listen(test.loopback());
  CHECK(test.fails(test.key(bound)) == std::errc::address_in_use);
  // What failed has not ended the other one.
  test.connections.close_unused();
  CHECK_FALSE(test.is_free(bound));
  test.listens.stop(test.loopback());
  CHECK(test.is_free(bound));
  test.listens.stop(test.key(bound));
  CHECK(test.listen(test.key(bound)) == bound);
  std::error_code error;
  const auto other = posix::listen_stream(test.loopback().address, {}, error);
  const auto taken = posix::local_address(other.get(), error);
  CHECK(test.fails(test.key(taken)) == std::errc::address_in_use);
  CHECK(test.connections.size() == 1);
}

TEST_CASE("its n-th listen on port 0 is each worker's n-th")
{
  fixture test;
  const auto first = test.listen(test.loopback());
  const auto second = test.listen(test.loopback());
  CHECK(first != second);
  CHECK(test.join(1, test.loopback(), 1) == test.join(2, test.key(second)));
  CHECK(test.join(1, test.loopback(), 0) == test.join(2, test.key(first)));
  CHECK(test.join(1, test.loopback(), 2) != 0);
  CHECK(test.connections.size() == 3);
  // Its third one is there already, and stays with it.
  const auto third = test.listen(test.loopback());
  CHECK(test.connections.size() == 3);
  test.connections.gone(1);
  test.connections.gone(2);
  CHECK(test.connections.size() == 3);
  // The first free number is the next one's.
  test.listens.stop(test.key(second));
  const auto again = test.listen(test.loopback());
  CHECK(test.join(1, test.loopback(), 1) == test.join(2, test.key(again)));
  test.connections.gone(1);
  test.connections.gone(2);
  test.listens.stop_all();
  CHECK(test.connections.size() == 0);
  for (const auto& each : {first, again, third}) CHECK(test.is_free(each));
}

TEST_CASE("where workers listen already it joins them, and its end is not theirs")
{
  fixture test;
  const auto id = test.join(1, test.loopback());
  const auto bound = test.listen(test.loopback());
  CHECK(test.connections.size() == 1);
  test.listens.stop_all();
  CHECK(test.join(2, test.key(bound)) == id);
  test.connections.gone(1);
  CHECK(test.connections.size() == 1);
  test.connections.gone(2);
  CHECK(test.connections.size() == 0);
}

TEST_CASE("what becomes of clients without a worker can be said where it listens")
{
  fixture test;
  std::error_code error;
  const auto gone = overflow::refuse("gone").after(std::chrono::seconds(0));
  test.listens.set_unserved(test.loopback(), gone, error);
  CHECK(error == std::errc::address_not_available);
  error.clear();
  const auto bound = test.listen(test.loopback());
  test.listens.set_unserved(test.key(bound), gone, error);
  CHECK_FALSE(error);
  test.clients.connect(bound, 2);
  const auto answered = [&] { return test.connections.counters().unserved == 2; };
  CHECK(cohort_test::run_bounded(test.context, answered));
  // Nothing that was counted is forgotten.
  test.listens.stop(test.key(bound));
  CHECK(answered());
}

TEST_CASE("a path goes with the end of its listener")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  std::error_code error;
  const auto where = posix::socket_address::from_path(path, error);
  fixture test;
  CHECK(test.listen(test.key(where)) == where);
  CHECK(std::filesystem::exists(path));
  SUBCASE("told so") { test.listens.stop(test.key(where)); }
  SUBCASE("with everything") { test.connections.close(); }
  CHECK_FALSE(std::filesystem::exists(path));
}

} // namespace primary_listens_test
