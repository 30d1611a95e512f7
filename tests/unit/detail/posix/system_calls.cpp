// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/system_calls.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <type_traits>

namespace system_calls_test {

using namespace cohort::detail::posix;

TEST_CASE("without a seam the calls are the plain ones")
{
#ifndef COHORT_SYSTEM_CALLS_HEADER
  static_assert(std::is_same_v<sys, system_calls>);
#endif
  static_assert(std::is_empty_v<system_calls>);
  CHECK(sys::close(-1) == -1);
  const auto ec = last_error();
  CHECK(ec.value() == EBADF);
  CHECK(ec.category() == std::system_category());
  CHECK(ec == std::errc::bad_file_descriptor);
}

TEST_CASE("an interrupted call is repeated, any other error is not")
{
  int calls = 0;
  const int result = retry_interrupted([&] {
    errno = ++calls < 3 ? EINTR : EIO;
    return -1;
  });
  CHECK(result == -1);
  CHECK(calls == 3);
  CHECK(errno == EIO);
  CHECK(retry_interrupted([] { return 7; }) == 7);
}

TEST_CASE("errors that pass are told apart by what ends them")
{
  const auto system = [](int value) { return std::error_code(value, std::system_category()); };
  CHECK(would_block(system(EAGAIN)));
  CHECK(!would_block(system(ENOBUFS)));
  CHECK(!would_block(std::error_code(EAGAIN, std::generic_category())));
  for (const int value : {EMFILE, ENFILE, ENOBUFS, ENOMEM, ETOOMANYREFS})
    CHECK(out_of_resources(system(value)));
  CHECK(!out_of_resources(system(EAGAIN)));
  CHECK(!out_of_resources(system(EPIPE)));
  CHECK(!out_of_resources(std::error_code()));
}

} // namespace system_calls_test
