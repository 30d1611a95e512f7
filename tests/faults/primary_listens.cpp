// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The primary's own listening, with calls that fail.

#include "support/failing_system_calls.hpp"
#include "support/noted_host.hpp"
#include "support/scratch.hpp"

#include <cohort/detail/core/dispatcher.hpp>
#include <cohort/detail/core/primary_listens.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include <doctest/doctest.h>

#include <asio/io_context.hpp>

#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace primary_listens_faults {

using cohort::listen_options;
using cohort::overflow;
using cohort_test::call;
using cohort_test::faults;
using namespace cohort::detail;
using namespace std::chrono_literals;

namespace {

template <class Policy>
struct fixture {
  ~fixture() { connections.close(); }

  posix::socket_address listen(const listen_key& where)
  {
    error.clear();
    return listens.listen(where, listen_options(), error);
  }
  std::error_code answer(const posix::socket_address& where, overflow how)
  {
    std::error_code failed;
    listens.set_unserved(listen_key(wire::listen_kind::tcp, where), std::move(how), failed);
    return failed;
  }
  bool unserved(std::uint64_t count)
  {
    return cohort_test::run_bounded(
        context, [&] { return connections.counters().unserved == count; });
  }

  asio::io_context context;
  cohort_test::noted_host host;
  cohort_test::test_clients clients{context};
  dispatcher<Policy, cohort_test::noted_host> connections{context.get_executor(), host, Policy()};
  primary_listens<dispatcher<Policy, cohort_test::noted_host>> listens{connections};
  std::error_code error;
};

listen_key loopback()
{
  std::error_code ignored;
  const asio::ip::tcp::endpoint any(asio::ip::address_v4::loopback(), 0);
  return {wire::listen_kind::tcp, posix::socket_address::from_endpoint(any, ignored)};
}

template <class Policy>
int count_failures(const listen_key& where, const std::string& path)
{
  int failed = 0;
  for (unsigned n = 1;; ++n) {
    fixture<Policy> test;
    faults faults;
    faults.fail(call::any, n, EMFILE);
    const auto bound = test.listen(where);
    const bool reached = faults.count(call::any) >= n;
    faults.reset();
    CHECK(bound.empty() == static_cast<bool>(test.error));
    CHECK(test.connections.size() == (test.error ? 0 : 1));
    if (!path.empty()) CHECK(std::filesystem::exists(path) == !test.error);
    if (test.error) {
      ++failed;
      CHECK(test.error == std::errc::too_many_files_open);
      // It can be tried anew.
      CHECK_FALSE(test.listen(where).empty());
    }
    if (!reached) return failed;
  }
}

} // namespace

TEST_CASE("whichever call of the primary's listen fails, nothing listens and no path is left")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  std::error_code error;
  const listen_key local(
      wire::listen_kind::unix_stream, posix::socket_address::from_path(path, error));
  // socket, fchmod, bind, listen, getsockname; and what looks at the path.
  CHECK(count_failures<cohort::round_robin>(local, path) >= 5);
  // socket, setsockopt, bind, listen, getsockname.
  CHECK(count_failures<cohort::round_robin>(loopback(), "") == 5);
  // A second option for the port.
  CHECK(count_failures<cohort::reuse_port>(loopback(), "") == 6);
}

TEST_CASE("an answer that cannot be prepared changes nothing")
{
  fixture<cohort::round_robin> test;
  const auto bound = test.listen(loopback());
  const auto gone = overflow::refuse("gone").after(0s);
  faults faults;
  faults.fail(call::epoll_create1, 1, EMFILE);
  CHECK(test.answer(bound, gone) == std::errc::too_many_files_open);
  test.clients.connect(bound);
  test.context.poll();
  CHECK(test.connections.counters().accepted == 0);
  CHECK_FALSE(test.answer(bound, gone));
  CHECK(test.unserved(1));
  // The next one needs no more for it.
  faults.fail_all(call::epoll_create1, EMFILE);
  CHECK_FALSE(test.answer(bound, overflow::refuse("later").after(0s)));
  test.clients.connect(bound);
  CHECK(test.unserved(2));
}

TEST_CASE("who cannot be accepted for want of descriptors is answered later")
{
  fixture<cohort::reuse_port> test;
  const auto bound = test.listen(loopback());
  CHECK_FALSE(test.answer(bound, overflow::refuse("gone").after(0s)));
  faults faults;
  faults.fail(call::accept4, 1, EMFILE, 2);
  test.clients.connect(bound, 3);
  CHECK(test.unserved(3));
  // It was told.
  CHECK(test.host.wrong);
  CHECK(faults.count(call::accept4) >= 5);
}

TEST_CASE("who cannot be waited for after the answer has got it all the same")
{
  fixture<cohort::round_robin> test;
  const auto bound = test.listen(loopback());
  CHECK_FALSE(test.answer(bound, overflow::refuse("gone").after(0s)));
  faults faults;
  faults.fail_all(call::epoll_ctl, ENOSPC);
  test.clients.connect(bound);
  CHECK(test.unserved(1));
  char text[5] = {};
  std::error_code error;
  CHECK(test.clients.sockets[0].read_some(asio::buffer(text), error) == 4);
  CHECK(std::string(text) == "gone");
  CHECK(test.clients.closed(0));
  test.listens.stop_all();
  CHECK(test.connections.size() == 0);
}

} // namespace primary_listens_faults
