// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/unique_fd.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <type_traits>
#include <utility>

namespace unique_fd_test {

using namespace cohort::detail::posix;

namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }
int open_null() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

} // namespace

TEST_CASE("unique_fd closes what it owns, once")
{
  const int number = open_null();
  {
    unique_fd fd(number);
    CHECK(fd);
    CHECK(fd.get() == number);
    CHECK(is_open(number));
  }
  CHECK(!is_open(number));
  CHECK(!unique_fd());
  CHECK(unique_fd().get() == -1);
}

TEST_CASE("unique_fd moves and is never copied")
{
  static_assert(!std::is_copy_constructible_v<unique_fd>);
  static_assert(std::is_nothrow_move_constructible_v<unique_fd>);
  static_assert(!std::is_convertible_v<int, unique_fd>);
  const int first = open_null(), second = open_null();
  unique_fd a(first), b(second);
  unique_fd c(std::move(a));
  CHECK(!a);
  CHECK(c.get() == first);
  c = std::move(b);
  CHECK(!is_open(first));
  CHECK(c.get() == second);
  auto& self = c;
  c = std::move(self);
  CHECK(c.get() == second);
  CHECK(is_open(second));
}

TEST_CASE("a number is a descriptor or not")
{
  const int number = open_null();
  std::error_code ec = std::make_error_code(std::errc::io_error);
  check_open(number, ec);
  CHECK(!ec);
  CHECK(::close(number) == 0);
  check_open(number, ec);
  CHECK(ec == std::errc::bad_file_descriptor);
}

TEST_CASE("release gives the descriptor away, reset takes another")
{
  unique_fd fd(open_null());
  const int number = fd.release();
  CHECK(!fd);
  CHECK(is_open(number));
  fd.reset(number);
  errno = 1234;
  fd.reset();
  CHECK(errno == 1234);
  CHECK(!is_open(number));
}

TEST_CASE("a duplicate is CLOEXEC and stands beside the standard streams")
{
  unique_fd fd(open_null());
  std::error_code ec;
  const auto copy = duplicate(fd.get(), ec);
  CHECK(!ec);
  CHECK(copy.get() >= 3);
  CHECK(::fcntl(copy.get(), F_GETFD) == FD_CLOEXEC);
  fd.reset();
  CHECK(is_open(copy.get()));
  const auto none = duplicate(-1, ec);
  CHECK(!none);
  CHECK(ec == std::errc::bad_file_descriptor);
}

TEST_CASE("flags of a foreign descriptor can be set")
{
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const unique_fd reader(ends[0]), writer(ends[1]);
  std::error_code ec;
  set_cloexec(reader.get(), ec);
  CHECK(!ec);
  CHECK(::fcntl(reader.get(), F_GETFD) == FD_CLOEXEC);
  set_nonblocking(reader.get(), ec);
  CHECK(!ec);
  CHECK((::fcntl(reader.get(), F_GETFL) & O_NONBLOCK) != 0);
  set_nonblocking(-1, ec);
  CHECK(ec == std::errc::bad_file_descriptor);
  set_cloexec(-1, ec);
  CHECK(ec == std::errc::bad_file_descriptor);
}

} // namespace unique_fd_test
