// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Handles, with every system call failing once.

#include "support/failing_system_calls.hpp"

#include <cohort/handle.hpp>

#include <doctest/doctest.h>

#include <asio/io_context.hpp>

#include <ostream>
#include <utility>

using asio::ip::tcp;
using cohort::handle;
using cohort::handle_kind;
using cohort::detail::posix::unique_fd;
using cohort_test::call;
using cohort_test::faults;

namespace {

unique_fd make_memfd() { return unique_fd(::memfd_create("test", MFD_CLOEXEC)); }

// Fails the n-th call of `action(error)`, for every n; gives how many calls it makes.
template <class Action>
unsigned fail_each_call(Action action)
{
  for (unsigned n = 1;; ++n) {
    CAPTURE(n);
    faults faults;
    faults.fail(call::any, n, EIO);
    std::error_code error;
    action(error);
    if (!error) return n - 1;
    CHECK(error.value() == EIO);
    REQUIRE(n < 20);
  }
}

} // namespace

TEST_CASE("a socket that cannot be asked what it is stays where it is")
{
  asio::io_context context;
  tcp::socket socket(context, tcp::v4());
  const int number = socket.native_handle();
  const unsigned calls = fail_each_call([&](std::error_code& error) {
    handle owner(std::move(socket), error);
    CHECK(static_cast<bool>(owner) == !error);
    CHECK(socket.is_open() == static_cast<bool>(error));
    CHECK((owner ? owner.native_handle() : socket.native_handle()) == number);
    if (!owner) CHECK(owner.kind() == handle_kind::none);
  });
  // fstat, F_GETFL, and four options.
  CHECK(calls == 6);
}

TEST_CASE("a memfd that cannot be asked what it is stays the caller's")
{
  auto memory = make_memfd();
  const unsigned calls = fail_each_call([&](std::error_code& error) {
    handle owner = handle::adopt(memory.get(), error);
    CHECK(owner.kind() == (error ? handle_kind::none : handle_kind::memfd));
    if (owner) memory.release();
    else CHECK(::fcntl(memory.get(), F_GETFD) == FD_CLOEXEC);
  });
  // fstat, F_GETFL, fstatfs, and the seals.
  CHECK(calls == 4);
}

TEST_CASE("a duplicate that fails is none, and leaves nothing behind")
{
  const auto memory = make_memfd();
  CHECK(fail_each_call([&](std::error_code& error) {
    const handle copy = handle::duplicate_of(memory.get(), error);
    CHECK(static_cast<bool>(copy) == !error);
  }) == 5);
  const handle owner = handle::duplicate_of(memory.get());
  CHECK(fail_each_call([&](std::error_code& error) {
    const handle copy = owner.duplicate(error);
    CHECK(static_cast<bool>(copy) == !error);
    CHECK(owner.kind() == handle_kind::memfd);
  }) == 1);
}

TEST_CASE("fstatfs goes on after a signal")
{
  const auto memory = make_memfd();
  faults faults;
  faults.fail(call::fstatfs, 1, EINTR, 3);
  CHECK(handle::duplicate_of(memory.get()).kind() == handle_kind::memfd);
}

TEST_CASE("whether a handle may be sent is not guessed")
{
  const handle owner = handle::adopt(make_memfd().release());
  faults faults;
  faults.fail(call::fstat, 1, EIO);
  CHECK(owner.sendable() == std::errc::io_error);
  CHECK(!owner.sendable());
}
