// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Handles, with every system call failing once.

#include "support/failing_system_calls.hpp"

#include <cohort/handle.hpp>

#include <doctest/doctest.h>

#include "support/pipe_handles.hpp"
#include "support/scratch.hpp"

#include <asio/io_context.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <ostream>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace handle_faults {

using asio::ip::tcp;
using asio::posix::stream_descriptor;
using cohort::handle;
using cohort::handle_kind;
using cohort::detail::posix::unique_fd;
using cohort_test::call;
using cohort_test::faults;
namespace local = asio::local;

namespace {

unique_fd make_memfd() { return unique_fd(::memfd_create("test", MFD_CLOEXEC)); }

// Fails the n-th call of `action(error)`, for every n and in several ways; gives how many it makes.
template <class Action>
unsigned fail_each_call(Action action)
{
  unsigned calls = 0;
  for (const int code : {EIO, ENOMEM, EMFILE, ENFILE, EINTR}) {
    CAPTURE(code);
    for (unsigned n = 1;; ++n) {
      CAPTURE(n);
      faults faults;
      faults.fail(call::any, n, code);
      const std::size_t before = cohort_test::count_descriptors();
      std::error_code error;
      action(error);
      CHECK(cohort_test::count_descriptors() == before);
      const bool reached = faults.count(call::any) >= n;
      // Some calls go on after a signal.
      if (!reached || code == EINTR) CHECK((!error || error.value() == code));
      else CHECK(error == std::error_code(code, std::system_category()));
      if (!reached) {
        CHECK_FALSE(error);
        calls = n - 1;
        break;
      }
      REQUIRE(n < 20);
    }
  }
  return calls;
}

// What is taken out of an object, or stays in it.
template <class Make>
unsigned fail_each_call_of_taking(handle_kind kind, Make make)
{
  asio::io_context context;
  // Opens what Asio itself needs.
  const tcp::socket first(context, tcp::v4());
  return fail_each_call([&](std::error_code& error) {
    auto object = make(context);
    const int number = object.native_handle();
    const handle owner(std::move(object), error);
    CHECK(static_cast<bool>(owner) == !error);
    CHECK(object.is_open() == static_cast<bool>(error));
    CHECK((owner ? owner.native_handle() : object.native_handle()) == number);
    CHECK(owner.kind() == (error ? handle_kind::none : kind));
  });
}

// How epoll takes new descriptors; it has a limit of its own.
int epoll_error = 0;

// A handle becomes an object of Asio, or stays what it was.
template <class Object>
void fail_conversion(handle owner)
{
  asio::io_context context;
  const int number = owner.native_handle();
  const handle_kind kind = owner.kind();
  for (const int code : {ENOMEM, ENOSPC}) {
    std::error_code error;
    epoll_error = code;
    const Object none = owner.to<Object>(context, error);
    CHECK(error.value() == code);
    CHECK_FALSE(none.is_open());
    CHECK_THROWS_AS(owner.to<Object>(context), std::system_error);
    epoll_error = 0;
    CHECK(owner.native_handle() == number);
    CHECK(owner.kind() == kind);
    CHECK(::fcntl(number, F_GETFD) == FD_CLOEXEC);
  }
  Object object = owner.to<Object>(context);
  CHECK(object.is_open());
  CHECK(object.native_handle() == number);
  CHECK_FALSE(owner);
}

handle socket_of(int domain, int type, bool listening = false)
{
  handle socket = handle::adopt(::socket(domain, type | SOCK_CLOEXEC, 0));
  if (listening) REQUIRE(::listen(socket.native_handle(), 1) == 0);
  return handle::adopt(socket.release());
}

} // namespace

// Instead of the C library's: Asio registers what it gets.
extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept
{
  if (operation == EPOLL_CTL_ADD && epoll_error != 0) {
    errno = epoll_error;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

TEST_CASE("an object that cannot be asked what it is stays where it is")
{
  const auto unconnected = [](asio::io_context& context) {
    return tcp::socket(context, tcp::v4());
  };
  // fstat, F_GETFL, and four options.
  CHECK(fail_each_call_of_taking(handle_kind::tcp_socket, unconnected) == 6);
  const auto listening = [](asio::io_context& context) {
    return tcp::acceptor(context, tcp::endpoint(asio::ip::address_v6::loopback(), 0));
  };
  CHECK(fail_each_call_of_taking(handle_kind::tcp_listener, listening) == 6);
  const auto udp = [](asio::io_context& context) {
    return asio::ip::udp::socket(context, asio::ip::udp::v4());
  };
  CHECK(fail_each_call_of_taking(handle_kind::udp_socket, udp) == 6);
  const auto unix_stream = [](asio::io_context& context) {
    return local::stream_protocol::socket(context, local::stream_protocol());
  };
  CHECK(fail_each_call_of_taking(handle_kind::unix_stream, unix_stream) == 6);
  const auto unix_datagram = [](asio::io_context& context) {
    return local::datagram_protocol::socket(context, local::datagram_protocol());
  };
  CHECK(fail_each_call_of_taking(handle_kind::unix_datagram, unix_datagram) == 6);
  const auto pipe = [](asio::io_context& context) {
    std::array<int, 2> ends{-1, -1};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    ::close(ends[1]);
    return stream_descriptor(context, ends[0]);
  };
  CHECK(fail_each_call_of_taking(handle_kind::pipe, pipe) == 2);
}

TEST_CASE("a handle that Asio has no room for stays as it was")
{
  fail_conversion<tcp::socket>(socket_of(AF_INET, SOCK_STREAM));
  fail_conversion<tcp::acceptor>(socket_of(AF_INET6, SOCK_STREAM, true));
  fail_conversion<asio::ip::udp::socket>(socket_of(AF_INET, SOCK_DGRAM));
  fail_conversion<local::stream_protocol::socket>(socket_of(AF_UNIX, SOCK_STREAM));
  fail_conversion<local::datagram_protocol::socket>(socket_of(AF_UNIX, SOCK_DGRAM));
  fail_conversion<stream_descriptor>(std::move(cohort_test::make_pipe()[1]));
}

TEST_CASE("a memfd that cannot be asked what it is stays the caller's")
{
  const unsigned calls = fail_each_call([&](std::error_code& error) {
    auto memory = make_memfd();
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
  asio::io_context context;
  tcp::socket socket(context, tcp::v4());
  CHECK(fail_each_call([&](std::error_code& error) {
    const handle copy = handle::duplicate_of(socket, error);
    CHECK(static_cast<bool>(copy) == !error);
    CHECK(socket.is_open());
  }) == 7);
  const handle owner = handle::duplicate_of(memory.get());
  CHECK(fail_each_call([&](std::error_code& error) {
    const handle copy = owner.duplicate(error);
    CHECK(static_cast<bool>(copy) == !error);
    CHECK(owner.kind() == handle_kind::memfd);
  }) == 1);
}

TEST_CASE("without an error code what fails is thrown, and changes as little")
{
  asio::io_context context;
  tcp::socket socket(context, tcp::v4());
  auto memory = make_memfd();
  const handle owner = handle::duplicate_of(memory.get());
  const std::size_t before = cohort_test::count_descriptors();
  faults faults;
  faults.fail_all(call::any, EMFILE);
  CHECK_THROWS_AS(handle(std::move(socket)), std::system_error);
  CHECK_THROWS_AS(handle::adopt(memory.get()), std::system_error);
  CHECK_THROWS_AS(handle::duplicate_of(memory.get()), std::system_error);
  CHECK_THROWS_AS(handle::duplicate_of(socket), std::system_error);
  CHECK_THROWS_AS(owner.duplicate(), std::system_error);
  faults.reset();
  CHECK(socket.is_open());
  CHECK(::fcntl(memory.get(), F_GETFD) == FD_CLOEXEC);
  CHECK(owner.kind() == handle_kind::memfd);
  CHECK(cohort_test::count_descriptors() == before);
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

} // namespace handle_faults
