// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Each system call of binding for datagrams, and of taking what others have made, fails once.

#include <cohort/detail/core/dispatcher.hpp>

#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include "support/failing_system_calls.hpp"
#include "support/noted_host.hpp"
#include "support/scratch.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <cerrno>
#include <system_error>

namespace shared_datagrams_faults {

using namespace cohort::detail;
using cohort::any_policy;
using cohort::candidate;
using cohort::worker_id;
using cohort_test::call;
using cohort_test::count_descriptors;
using cohort_test::faults;

namespace {

posix::socket_address loopback()
{
  std::error_code error;
  return posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v6::loopback(), 0), error);
}

struct datagrams_test {
  explicit datagrams_test(const any_policy& policy)
      : connections(context.get_executor(), host, policy)
  {
  }
  ~datagrams_test() { connections.close(); }

  asio::io_context context{1};
  cohort_test::noted_host host;
  dispatcher<any_policy, cohort_test::noted_host> connections;
};

wire::listen question(wire::listen_kind kind)
{
  wire::listen message;
  message.kind = kind;
  message.backlog = 5;
  if (kind == wire::listen_kind::udp) message.address = wire::address_bytes(loopback().bytes());
  return message;
}

// Lets the n-th call fail when the worker asks; whether there are so many. An error is the answer
// and leaves nothing behind, and the same question is answered well after it.
bool ask_with_fault(
    datagrams_test& test, worker_id worker, const wire::listen& message, unsigned n, unsigned& told)
{
  const std::size_t before = count_descriptors();
  const std::size_t size = test.connections.size();
  listen_answer answer;
  bool reached = false;
  {
    faults faults;
    faults.fail(call::any, n, ENOBUFS);
    answer = test.connections.listen(candidate(worker), message);
    reached = faults.count(call::any) >= n;
  }
  if (answer.value != 0) {
    ++told;
    CHECK(answer.category == wire::error_kind::system);
    CHECK(answer.value == ENOBUFS);
    CHECK_FALSE(answer.socket);
    CHECK(count_descriptors() == before);
    CHECK(test.connections.size() == size);
    answer = test.connections.listen(candidate(worker), message);
  }
  CHECK(answer.value == 0);
  return reached;
}

} // namespace

TEST_CASE("whichever call of a bind fails, the worker is told, and the next bind succeeds")
{
  for (const bool own_sockets : {false, true}) {
    CAPTURE(own_sockets);
    const any_policy policy =
        own_sockets ? any_policy(cohort::reuse_port()) : any_policy(cohort::round_robin());
    const std::size_t before = count_descriptors();
    unsigned first = 0, second = 0;
    bool more = true;
    for (unsigned n = 1; more; ++n) {
      CAPTURE(n);
      datagrams_test test(policy);
      const wire::listen message = question(wire::listen_kind::udp);
      more = ask_with_fault(test, 1, message, n, first);
      more = ask_with_fault(test, 2, message, n, second) || more;
      test.connections.gone(1);
      test.connections.gone(2);
      CHECK(test.connections.size() == 0);
    }
    CHECK(count_descriptors() == before);
    // socket, bind, its options, its name and the copy; of the second worker the copy alone, or all
    // but the name.
    CHECK(first == (own_sockets ? 6 : 5));
    CHECK(second == (own_sockets ? 5 : 1));
  }
}

TEST_CASE("whichever call of taking an inherited socket fails, the worker is told")
{
  std::error_code error;
  const auto stream = posix::listen_stream(loopback(), posix::listen_settings(), error);
  const auto datagram = posix::bind_datagram(loopback(), posix::listen_settings(), error);
  REQUIRE(stream);
  REQUIRE(datagram);
  for (const auto kind :
      {wire::listen_kind::inherited_stream, wire::listen_kind::inherited_datagram}) {
    const std::size_t before = count_descriptors();
    const int number = wire::is_datagram(kind) ? datagram.get() : stream.get();
    unsigned told = 0;
    bool more = true;
    for (unsigned n = 1; more; ++n) {
      CAPTURE(n);
      datagrams_test test{any_policy(cohort::round_robin())};
      test.connections.inheritable().allow(number);
      wire::listen message = question(kind);
      message.descriptor = static_cast<std::uint32_t>(number);
      more = ask_with_fault(test, 1, message, n, told);
      test.connections.gone(1);
      CHECK(test.connections.size() == 0);
    }
    CHECK(count_descriptors() == before);
    // What it is, the copy, that it does not block, and where it is bound.
    CHECK(told >= 9);
  }
}

} // namespace shared_datagrams_faults
