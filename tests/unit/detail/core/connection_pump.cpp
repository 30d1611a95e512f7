// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/connection_pump.hpp>

#include <cohort/detail/core/shared_listener.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/when_full.hpp>

#include <doctest/doctest.h>

#include "support/noted_host.hpp"

#include <asio/read.hpp>
#include <asio/write.hpp>

#include <chrono>
#include <cstddef>
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
  bool unserved(std::uint64_t count)
  {
    return run_until([&] { return listener->counters().unserved == count; });
  }
  std::error_code answer(overflow how)
  {
    std::error_code error;
    listener->set_unserved(std::move(how), error);
    return error;
  }
  // What is ready now.
  void run_ready()
  {
    context.restart();
    context.poll();
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

TEST_CASE("without any worker they are answered, if that is said")
{
  fixture test(overflow::queue(), 0, true);
  test.listener->gone(1);
  test.connect(2);
  CHECK_FALSE(test.answer(overflow::refuse("gone").after(0s)));
  CHECK(test.unserved(2));
  test.connect();
  CHECK(test.unserved(3));
  for (std::size_t i = 0; i != 3; ++i) CHECK(test.read(i) == "gone");
  SUBCASE("or get another answer")
  {
    CHECK_FALSE(test.answer(overflow::reset().after(0s)));
    test.connect();
    CHECK(test.unserved(4));
    CHECK(test.clients.closed(3));
  }
  SUBCASE("or wait again, and that is no work for the context")
  {
    CHECK_FALSE(test.answer(overflow::queue()));
    test.clients.sockets.clear();
    CHECK_FALSE(test.run_until([] { return false; }));
    CHECK(test.context.stopped());
    test.connect();
    test.run_ready();
    CHECK(test.listener->counters().accepted == 3);
    CHECK(test.listener->join(candidate(2)));
    CHECK(test.listener->credit(2, 1));
    CHECK(test.run_until([&] { return test.host.offered(2) == 1; }));
  }
}

TEST_CASE("what is said of the time without a worker changes nothing while there is one")
{
  fixture test(overflow::queue());
  CHECK_FALSE(test.answer(overflow::refuse("gone").after(0s)));
  test.connect();
  test.run_ready();
  CHECK(test.listener->counters().accepted == 0);
  CHECK(test.listener->credit(1, 1));
  CHECK(test.run_until([&] { return test.host.offered(1) == 1; }));
}

TEST_CASE("they wait for a worker first, and get the one that comes in time")
{
  fixture test(overflow::queue(), 0, true);
  test.listener->gone(1);
  CHECK_FALSE(test.answer(overflow::refuse("gone").after(1h).limit(2)));
  test.connect(3);
  CHECK(test.run_until([&] { return test.listener->counters().accepted == 2; }));
  // The third one waits in the kernel.
  test.run_ready();
  CHECK(test.listener->counters().accepted == 2);
  CHECK(test.listener->join(candidate(2)));
  test.connect();
  test.run_ready();
  CHECK(test.listener->counters().accepted == 2);
  CHECK(test.listener->credit(2, 4));
  CHECK(test.run_until([&] { return test.host.offered(2) == 4; }));
  CHECK(test.listener->counters().unserved == 0);
}

TEST_CASE("when a time without a worker is over, they are answered")
{
  fixture test(overflow::queue(), 0, true);
  test.listener->gone(1);
  CHECK_FALSE(test.answer(overflow::refuse("gone").after(30ms)));
  test.connect(2);
  CHECK(test.run_until([&] { return test.listener->counters().accepted == 2; }));
  CHECK(test.listener->counters().unserved == 0);
  CHECK(test.unserved(2));
  CHECK(test.read(1) == "gone");
}

TEST_CASE("what the last worker had not taken waits for the next one, or is answered")
{
  fixture test(overflow::queue(), 3, true);
  CHECK_FALSE(test.answer(overflow::refuse("gone").after(50ms)));
  test.connect(3);
  CHECK(test.run_until([&] { return test.host.offered(1) == 3; }));
  test.listener->gone(1);
  CHECK(test.listener->join(candidate(2)));
  CHECK(test.listener->credit(2, 1));
  CHECK(test.host.offered(2) == 1);
  test.listener->retire(2);
  CHECK(test.unserved(2));
  test.listener->gone(2);
  CHECK(test.unserved(3));
  CHECK(test.listener->counters().redispatched == 4);
}

TEST_CASE("the two answers are told apart, and so are their counts")
{
  fixture test(overflow::refuse("full").after(0s), 0, true);
  CHECK_FALSE(test.answer(overflow::refuse("gone").after(0s)));
  test.connect();
  CHECK(test.overflows(1));
  test.listener->gone(1);
  test.connect();
  CHECK(test.unserved(1));
  CHECK(test.listener->join(candidate(2)));
  test.connect();
  CHECK(test.overflows(2));
  CHECK(test.read(0) == "full");
  CHECK(test.read(1) == "gone");
  CHECK(test.read(2) == "full");
}

namespace {

// Connections wait for their first byte.
struct peeking : cohort::round_robin {
  static constexpr std::size_t peek = 8;
  std::chrono::milliseconds peek_time() const { return 1h; }
};

} // namespace

TEST_CASE("those whose first bytes are awaited are served here when another process goes on")
{
  std::error_code error;
  asio::io_context context;
  cohort_test::noted_host host;
  cohort_test::test_clients clients{context};
  const auto any = posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  auto socket = posix::listen_stream(any, posix::listen_settings(), error);
  const auto bound = posix::local_address(socket.get(), error);
  listening_sockets sockets(context.get_executor(), std::move(socket), bound,
      posix::listen_settings(), wire::sharing::offers, error);
  using peeking_listener = shared_listener<peeking, cohort_test::noted_host>;
  const auto listener =
      std::make_shared<peeking_listener>(host, 1, std::move(sockets), false, peeking(), error);
  REQUIRE_FALSE(error);
  CHECK(listener->join(candidate(1)));
  CHECK(listener->credit(1, 8));
  // The first ones say nothing; the last one says that they were accepted before it.
  clients.connect(bound, 3);
  asio::write(clients.sockets.back(), asio::buffer("a", 1));
  CHECK(cohort_test::run_bounded(context, [&] { return host.offered(1) == 1; }));
  listener->pass({}, {}, error);
  CHECK_FALSE(error);
  listener->let_go();
  CHECK_FALSE(listener->is_open());
  CHECK(cohort_test::run_bounded(context, [&] { return host.offered(1) == 3; }));
  CHECK(listener->counters().accepted == 3);
  CHECK(listener->counters().closed == 0);
  listener->shut();
}

} // namespace connection_pump_test
