// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Connections whose first bytes are looked at, and such that are refused, with every call failing
// once: none is lost, and no descriptor.

#include "support/failing_system_calls.hpp"

#include "support/failing_allocations.hpp"
#include "support/noted_host.hpp"
#include "support/scratch.hpp"
#include "support/socket_pairs.hpp"

#include <cohort/detail/core/shared_listener.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/when_full.hpp>

#include <doctest/doctest.h>

#include <asio/read.hpp>
#include <asio/write.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

namespace first_bytes_faults {

using namespace cohort::detail;
using namespace std::chrono_literals;
using cohort_test::call;
using cohort_test::faults;

namespace {

struct peeking : cohort::round_robin {
  static constexpr std::size_t peek = 4;
  std::chrono::milliseconds peek_time() const { return 200ms; }
};

// What `accept_failed` is told is counted.
struct tolerant_host : cohort_test::noted_host {
  void accept_failed(std::error_code) noexcept { ++failures; }
  int failures = 0;
};

template <class Policy>
std::shared_ptr<shared_listener<Policy, tolerant_host>> listen(
    asio::io_context& context, tolerant_host& host, Policy policy, std::error_code& error)
{
  const auto any = posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  auto socket = posix::listen_stream(any, posix::listen_settings(), error);
  if (error) return nullptr;
  const auto bound = posix::local_address(socket.get(), error);
  if (error) return nullptr;
  listening_sockets sockets(context.get_executor(), std::move(socket), bound,
      posix::listen_settings(), wire::sharing::offers, error);
  if (error) return nullptr;
  auto made = std::make_shared<shared_listener<Policy, tolerant_host>>(
      host, 1, std::move(sockets), false, std::move(policy), error);
  return error ? nullptr : made;
}

} // namespace

TEST_CASE("a connection is offered whichever call fails while it waits for its first bytes")
{
  const std::size_t before = cohort_test::count_descriptors();
  for (const call kind : {call::epoll_create1, call::epoll_ctl, call::epoll_wait, call::recvmsg}) {
    for (unsigned n = 1; n != 5; ++n) {
      CAPTURE(static_cast<int>(kind));
      CAPTURE(n);
      asio::io_context context;
      tolerant_host host;
      faults faulty;
      std::error_code error;
      faulty.fail(kind, n, ENOMEM);
      const auto listener = listen(context, host, peeking(), error);
      if (!listener) {
        CHECK(error == std::errc::not_enough_memory);
        continue;
      }
      listener->join(cohort::candidate(1));
      listener->credit(1, 4);
      cohort_test::test_clients clients(context);
      clients.connect(listener->bound(), 2);
      const auto has_offered = [&](int count) {
        return cohort_test::run_bounded(context, [&] { return host.offered(1) >= count; });
      };
      asio::write(clients.sockets[0], asio::buffer("ab", 2));
      CHECK(has_offered(1));
      asio::write(clients.sockets[1], asio::buffer("abcd", 4));
      CHECK(has_offered(2));
      listener->shut();
    }
  }
  CHECK(cohort_test::count_descriptors() == before);
}

TEST_CASE("without memory for its place a connection stays the caller's")
{
  asio::io_context context;
  std::error_code error;
  io::waiting_room<posix::unique_fd> room(context.get_executor(), 1h, error);
  cohort_test::socket_pair pair;
  cohort_test::with_failing(1, [&] { room.enter(std::move(pair.server), error); });
  CHECK(error == std::errc::not_enough_memory);
  CHECK(pair.server);
  CHECK(room.empty());
  CHECK_FALSE(pair.ended());
}

TEST_CASE("a wait for which there was no memory can be tried again")
{
  bool enough = false;
  for (unsigned n = 1; !enough; ++n) {
    asio::io_context context;
    std::error_code error;
    io::waiting_room<posix::unique_fd> room(context.get_executor(), 1h, error);
    cohort_test::socket_pair pair;
    room.enter(std::move(pair.server), error);
    bool called = false;
    enough = !cohort_test::with_failing(n, [&] {
      try {
        room.wait([&] { called = true; });
      } catch (const std::bad_alloc&) {
      }
    });
    room.wait([&] { called = true; });
    pair.send("a");
    CHECK(cohort_test::run_bounded(context, [&] { return called; }));
  }
}

TEST_CASE("clients that say nothing make room when there are no descriptors for others")
{
  asio::io_context context;
  tolerant_host host;
  std::error_code error;
  struct patient : peeking {
    std::chrono::hours peek_time() const { return 1h; }
  };
  const auto listener = listen(context, host, patient(), error);
  REQUIRE(listener);
  listener->join(cohort::candidate(1));
  listener->credit(1, 64);
  cohort_test::test_clients clients(context);
  clients.connect(listener->bound(), 8);
  context.poll();
  CHECK(host.offered(1) == 0);
  faults faulty;
  faulty.fail(call::accept4, 1, EMFILE);
  clients.connect(listener->bound());
  asio::write(clients.sockets.back(), asio::buffer("ab", 2));
  CHECK(cohort_test::run_bounded(context, [&] { return host.offered(1) >= 3; }));
  CHECK(host.failures == 1);
  listener->shut();
}

TEST_CASE("a connection that is refused ends whichever call fails meanwhile")
{
  const std::size_t before = cohort_test::count_descriptors();
  const call kinds[] = {call::epoll_create1, call::epoll_ctl, call::epoll_wait, call::sendmsg,
      call::shutdown, call::read, call::setsockopt};
  for (const bool tell : {true, false}) {
    for (const call kind : kinds) {
      for (unsigned n = 1; n != 4; ++n) {
        CAPTURE(tell);
        CAPTURE(static_cast<int>(kind));
        CAPTURE(n);
        asio::io_context context;
        tolerant_host host;
        faults faulty;
        std::error_code error;
        faulty.fail(kind, n, ENOMEM);
        const auto how =
            (tell ? cohort::overflow::refuse("full") : cohort::overflow::reset()).after(0s);
        const auto listener =
            listen(context, host, cohort::when_full(how, cohort::round_robin()), error);
        if (!listener) {
          CHECK(error == std::errc::not_enough_memory);
          continue;
        }
        listener->join(cohort::candidate(1));
        listener->credit(1, 0);
        cohort_test::test_clients clients(context);
        clients.connect(listener->bound());
        const auto has_ended = [&] { return listener->counters().overflowed == 1; };
        CHECK(cohort_test::run_bounded(context, has_ended));
        char buffer[8];
        asio::read(clients.sockets[0], asio::buffer(buffer), error);
        CHECK((error == asio::error::eof || error == asio::error::connection_reset));
        listener->shut();
      }
    }
  }
  CHECK(cohort_test::count_descriptors() == before);
}

} // namespace first_bytes_faults
