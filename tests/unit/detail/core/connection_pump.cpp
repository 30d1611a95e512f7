// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/connection_pump.hpp>

#include <cohort/detail/core/shared_listener.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/when_full.hpp>

#include <doctest/doctest.h>

#include "support/noted_host.hpp"

#include <asio/read.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace connection_pump_test {

using namespace cohort::detail;
using namespace std::chrono_literals;
using cohort::candidate;
using cohort::overflow;

namespace {

using policy = cohort::when_full<cohort::round_robin>;
using listener_type = shared_listener<policy, cohort_test::noted_host>;

// A pump with one member, whose listener is a `shared_listener`.
struct fixture {
  explicit fixture(overflow how, std::uint32_t credit = 0, bool hold = false)
  {
    std::error_code error;
    const auto any = posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
    auto socket = posix::listen_stream(any, posix::listen_settings(), error);
    const auto bound = posix::local_address(socket.get(), error);
    listening_sockets sockets(context.get_executor(), std::move(socket), bound,
        posix::listen_settings(), wire::sharing::offers, error);
    listener = std::make_shared<listener_type>(
        host, 1, std::move(sockets), hold, policy(std::move(how)), error);
    REQUIRE_FALSE(error);
    CHECK(listener->join(candidate(1)));
    CHECK(listener->credit(1, credit));
  }
  ~fixture()
  {
    listener->shut();
    CHECK_FALSE(host.wrong);
  }

  void connect(int count = 1) { clients.connect(listener->bound(), count); }
  template <class Done>
  bool run_until(Done done)
  {
    return cohort_test::run_bounded(context, done);
  }
  bool overflows(std::uint64_t count)
  {
    return run_until([&] { return listener->counters().overflowed == count; });
  }
  std::string read(std::size_t client)
  {
    std::string text;
    std::error_code error;
    asio::read(clients.sockets[client], asio::dynamic_buffer(text), error);
    return text + (error == asio::error::eof ? "" : error.message());
  }

  asio::io_context context;
  cohort_test::noted_host host;
  cohort_test::test_clients clients{context};
  std::shared_ptr<listener_type> listener;
};

} // namespace

TEST_CASE("connections that nobody has room for are answered")
{
  fixture test(overflow::refuse("full").after(0s));
  test.connect(3);
  CHECK(test.overflows(3));
  CHECK(test.listener->counters().accepted == 3);
  for (std::size_t i = 0; i != 3; ++i) CHECK(test.read(i) == "full");
}

TEST_CASE("they wait for room first, and get it when it is there in time")
{
  fixture test(overflow::refuse("full").after(1h));
  test.connect(3);
  CHECK(test.run_until([&] { return test.listener->counters().accepted == 3; }));
  CHECK(test.listener->credit(1, 2));
  CHECK(test.host.offered(1) == 2);
  CHECK(test.listener->counters().overflowed == 0);
}

TEST_CASE("and are answered when their time is over")
{
  fixture test(overflow::reset().after(30ms));
  test.connect(2);
  CHECK(test.run_until([&] { return test.listener->counters().accepted == 2; }));
  CHECK(test.listener->counters().overflowed == 0);
  CHECK(test.overflows(2));
  CHECK(test.clients.closed(0));
}

TEST_CASE("more than may wait stay in the kernel until there is room among those who wait")
{
  fixture test(overflow::refuse("full").after(1h).limit(2), 1);
  test.connect(5);
  CHECK(test.run_until([&] { return test.host.offered(1) == 1; }));
  test.context.poll();
  CHECK(test.listener->counters().accepted == 3);
  CHECK(test.listener->credit(1, 3));
  CHECK(test.run_until([&] { return test.listener->counters().accepted == 5; }));
  CHECK(test.host.offered(1) == 3);
}

TEST_CASE("without any worker they wait, whatever is to be done when all are full")
{
  fixture test(overflow::reset().after(0s), 0, true);
  test.listener->gone(1);
  test.connect();
  test.context.poll();
  CHECK(test.listener->counters().accepted == 0);
  CHECK(test.listener->join(candidate(2)));
  CHECK(test.listener->credit(2, 1));
  CHECK(test.run_until([&] { return test.host.offered(2) == 1; }));
}

} // namespace connection_pump_test
