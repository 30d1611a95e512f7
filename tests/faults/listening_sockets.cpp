// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Listening while the kernel refuses: each system call of a worker that joins a listener fails
// once, whoever accepts there, and so does the program that spreads connections over sockets.

#include "support/failing_system_calls.hpp"

#include <cohort/detail/core/dispatcher.hpp>
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>

#include <doctest/doctest.h>

#include "support/deep_directory.hpp"
#include "support/noted_host.hpp"
#include "support/scratch.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace listening_sockets_faults {

using cohort::any_policy;
using cohort::candidate;
using cohort::worker_id;
using cohort_test::call;
using cohort_test::count_descriptors;
using cohort_test::faults;
using namespace cohort::detail;

namespace {

constexpr std::array<int, 3> codes{EMFILE, ENOMEM, EACCES};

struct listening_host : cohort_test::noted_host {
  void accept_failed(std::error_code error) noexcept { failures.push_back(error); }

  std::vector<std::error_code> failures;
};

posix::socket_address loopback(std::uint16_t port = 0)
{
  std::error_code error;
  return posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
}

// What workers ask of their primary.
struct listening_test {
  explicit listening_test(any_policy policy)
      : connections(context.get_executor(), host, std::move(policy))
  {
  }
  ~listening_test()
  {
    connections.close();
    run();
    CHECK_FALSE(host.wrong);
  }

  listen_answer listen(worker_id worker, const posix::socket_address& where)
  {
    wire::listen message;
    message.address = wire::address_bytes(where.bytes());
    if (where.family() == AF_UNIX) message.kind = wire::listen_kind::unix_stream;
    return listen(worker, message);
  }
  listen_answer listen_at_path(worker_id worker, const std::string& path)
  {
    wire::listen message;
    message.path = wire::path_text(path);
    message.kind = wire::listen_kind::unix_stream;
    return listen(worker, message);
  }
  listen_answer listen(worker_id worker, wire::listen message)
  {
    message.request = worker;
    message.backlog = 511;
    message.mode = 0600;
    candidate described(worker);
    described.slot = worker - 1;
    listen_answer answer = connections.listen(described, message);
    CHECK(answer.valid());
    CHECK(answer.request == worker);
    return answer;
  }
  // One that must succeed; it may accept so many.
  listen_answer joined(worker_id worker, const posix::socket_address& where, std::uint16_t credit)
  {
    listen_answer answer = listen(worker, where);
    REQUIRE(answer.value == 0);
    if (credit != 0) grant(worker, answer, credit);
    return answer;
  }
  void grant(worker_id worker, const listen_answer& listener, std::uint16_t window)
  {
    wire::credit message;
    message.listener = listener.listener;
    message.window = window;
    CHECK(connections.received(worker, message));
  }

  static posix::socket_address address_of(const listen_answer& answer)
  {
    std::error_code error;
    return posix::socket_address::from_bytes(answer.address.bytes(), error);
  }
  // What a worker takes itself from the socket it was given.
  static int accept_all(const listen_answer& answer)
  {
    int count = 0;
    for (std::error_code error; posix::accept_stream(answer.socket.get(), nullptr, error);) ++count;
    return count;
  }

  void run()
  {
    context.restart();
    context.poll();
  }
  template <class Done>
  bool run_until(Done done)
  {
    return cohort_test::run_bounded(context, done);
  }

  asio::io_context context{1};
  listening_host host;
  cohort_test::test_clients clients{context};
  dispatcher<any_policy, listening_host> connections;
};

struct way {
  const char* name;
  any_policy policy;
  // How many calls of the first and of the second worker's listen may fail, and how many more
  // there are when the second one has joined.
  unsigned first, second, after;
};

std::vector<way> ways()
{
  return {{"round_robin", cohort::round_robin(), 5, 0, 0}, {"shared", cohort::shared(), 6, 1, 0},
      {"reuse_port", cohort::reuse_port(), 7, 6, 2}};
}

// What became of a listen whose n-th call failed.
enum class listened { told, joined_all_the_same, untouched };

listened join_with_fault(const any_policy& policy, bool second, unsigned n, int code)
{
  const std::size_t before = count_descriptors();
  auto result = listened::untouched;
  {
    listening_test test(policy);
    posix::socket_address where = loopback();
    listen_answer other;
    if (second) {
      other = test.joined(1, where, 1);
      where = test.address_of(other);
    }
    const worker_id worker = second ? 2 : 1;
    listen_answer answer;
    {
      faults faults;
      faults.fail(call::any, n, code);
      answer = test.listen(worker, where);
      if (answer.value != 0) result = listened::told;
      else if (faults.count(call::any) >= n) result = listened::joined_all_the_same;
    }
    if (result == listened::told) {
      CHECK(answer.category == wire::error_kind::system);
      CHECK(answer.value == code);
      CHECK_FALSE(answer.socket);
      CHECK_FALSE(test.connections.is_member(worker));
      answer = test.listen(worker, where);
      CHECK(answer.value == 0);
    }
    if (result == listened::joined_all_the_same)
      CHECK(test.host.failures == std::vector{std::error_code(code, std::system_category())});
    else CHECK(test.host.failures.empty());
    CHECK(test.connections.is_member(worker));
    CHECK(bool(answer.socket) == (policy.distribution() == cohort::distribution::by_kernel));
    CHECK(test.connections.size() == 1);
    test.connections.gone(1);
    test.connections.gone(2);
    CHECK(test.connections.size() == 0);
  }
  CHECK(count_descriptors() == before);
  return result;
}

} // namespace

TEST_CASE("whichever call of a listen fails, the worker is told, and the next listen succeeds")
{
  for (const way& each : ways()) {
    const std::string name = each.name;
    CAPTURE(name);
    for (const int code : codes) {
      CAPTURE(code);
      for (const bool second : {false, true}) {
        CAPTURE(second);
        unsigned told = 0, unharmed = 0;
        for (unsigned n = 1; n != 20; ++n) {
          CAPTURE(n);
          const listened result = join_with_fault(each.policy, second, n, code);
          if (result == listened::untouched) break;
          ++(result == listened::told ? told : unharmed);
        }
        CHECK(told == (second ? each.second : each.first));
        CHECK(unharmed == (second ? each.after : 0));
      }
    }
  }
}

TEST_CASE("a path that could not be listened on can be listened on the next time")
{
  const cohort_test::scratch_directory folder;
  const cohort_test::deep_directory deep;
  for (const bool is_long : {false, true}) {
    const std::string path = is_long ? deep.file("socket") : folder.file("socket");
    for (const any_policy& policy : {any_policy(cohort::round_robin()),
             any_policy(cohort::shared()), any_policy(cohort::reuse_port())}) {
      CAPTURE(is_long);
      unsigned told = 0;
      const std::size_t before = count_descriptors();
      for (unsigned n = 1; n != 30; ++n) {
        CAPTURE(n);
        {
          listening_test test(policy);
          bool reached = false;
          {
            faults faults;
            faults.fail(call::any, n, EACCES);
            const listen_answer answer = test.listen_at_path(1, path);
            reached = faults.count(call::any) >= n;
            // Looking at the new file, for its removal, is no part of listening.
            if (answer.value != 0) ++told;
            if (answer.value != 0) CHECK(answer.value == EACCES);
            if (answer.value != 0) CHECK_FALSE(std::filesystem::exists(path));
            if (answer.value == 0) test.connections.gone(1);
          }
          CHECK(test.listen_at_path(1, path).value == 0);
          test.connections.gone(1);
          if (!reached) break;
        }
        CHECK(count_descriptors() == before);
      }
      CHECK(told >= (is_long ? 8 : 7));
    }
  }
}

TEST_CASE("where the kernel takes no program, connections are served and weights come when it does")
{
  listening_test test{cohort::reuse_port()};
  const listen_answer first = test.joined(1, loopback(), 10);
  const auto where = test.address_of(first);
  listen_answer second;
  {
    faults faults;
    faults.fail_all(call::setsockopt, EPERM);
    // The program is the only thing that is set, but for options of new sockets.
    listen_answer failed = test.listen(2, where);
    CHECK(failed.value == EPERM);
    faults.reset();
    // The options of the new socket first.
    faults.fail(call::setsockopt, 3, EPERM, 1'000'000);
    second = test.joined(2, where, 10);
    REQUIRE_FALSE(test.host.failures.empty());
    for (const std::error_code& each : test.host.failures)
      CHECK(each == std::errc::operation_not_permitted);
    // The kernel spreads them by itself.
    test.clients.connect(where, 60);
    test.run();
    CHECK(test.host.offers.empty());
    const int by_first = test.accept_all(first), by_second = test.accept_all(second);
    CHECK(by_first + by_second == 60);
    CHECK(by_first != 0);
    CHECK(by_second != 0);
    // It still gives some to one who accepts no more: those are offered to the other.
    test.grant(2, second, 0);
    test.clients.connect(where, 9);
    int taken = 0;
    CHECK(test.run_until([&] {
      taken += test.accept_all(first);
      return taken + test.host.offered(1) == 9;
    }));
    CHECK(test.accept_all(second) == 0);
  }
  test.host.failures.clear();
  test.connections.set_weight(1, 0);
  test.grant(2, second, 10);
  CHECK(test.host.failures.empty());
  test.clients.connect(where, 20);
  CHECK(test.accept_all(second) == 20);
  CHECK(test.accept_all(first) == 0);
}

TEST_CASE("what the primary cannot accept for a worker that is gone it accepts later")
{
  listening_test test{cohort::reuse_port()};
  const listen_answer first = test.joined(1, loopback(), 0);
  const auto where = test.address_of(first);
  test.clients.connect(where, 3);
  const listen_answer second = test.joined(2, where, 0);
  {
    faults faults;
    faults.fail(call::accept4, 1, EMFILE, 2);
    test.connections.gone(1);
    test.grant(2, second, 10);
    CHECK(test.host.offered(2) == 0);
    CHECK(test.host.failures.at(0) == std::errc::too_many_files_open);
    CHECK(test.run_until([&] { return test.host.offered(2) == 3; }));
  }
}

TEST_CASE("a listener is closed when its only worker could not join")
{
  for (const any_policy& policy :
      {any_policy(cohort::shared()), any_policy(cohort::reuse_port())}) {
    listening_test test(policy);
    faults faults;
    faults.fail(call::fcntl, 1, EMFILE);
    CHECK(test.listen(1, loopback()).value == EMFILE);
    // Otherwise clients connect, and wait for nobody.
    CHECK(test.connections.size() == 0);
  }
}

TEST_CASE("nobody waits at the socket of a worker that could not join")
{
  listening_test test{cohort::reuse_port()};
  const listen_answer first = test.joined(1, loopback(), 100);
  const auto where = test.address_of(first);
  test.run();
  {
    faults faults;
    faults.fail(call::fcntl, 1, EMFILE);
    CHECK(test.listen(2, where).value == EMFILE);
  }
  test.clients.connect(where, 40);
  int taken = 0;
  CHECK(test.run_until([&] {
    taken += test.accept_all(first);
    return taken + test.host.offered(1) == 40;
  }));
}

TEST_CASE("no path stays of a socket that could not be listened on")
{
  const cohort_test::scratch_directory folder;
  std::error_code error;
  const auto path = posix::socket_address::from_path(folder.file("socket"), error);
  for (const call kind : {call::getsockname, call::fcntl}) {
    listening_test test{cohort::shared()};
    faults faults;
    faults.fail(kind, 1, EMFILE);
    CHECK(test.listen(1, path).value == EMFILE);
    CHECK_FALSE(std::filesystem::exists(folder.file("socket")));
  }
}

} // namespace listening_sockets_faults
