// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/async/complete_later.hpp>

#include <doctest/doctest.h>

#include <cohort/error.hpp>

#include <asio/bind_executor.hpp>
#include <asio/io_context.hpp>

#include <memory>
#include <system_error>

namespace complete_later_test {

TEST_CASE("a result that is there is given after the call, on the handler's executor")
{
  asio::io_context context(1), other(1);
  std::unique_ptr<int> got;
  std::error_code error;
  cohort::detail::complete_later<std::unique_ptr<int>>(context.get_executor(),
      asio::bind_executor(other.get_executor(),
          [&](std::error_code e, std::unique_ptr<int> value) {
            error = e;
            got = std::move(value);
          }),
      cohort::error::timed_out, std::make_unique<int>(4));
  CHECK_FALSE(got);
  context.poll();
  CHECK_FALSE(got);
  other.poll();
  REQUIRE(got);
  CHECK(*got == 4);
  CHECK(error == cohort::error::timed_out);
}

} // namespace complete_later_test
