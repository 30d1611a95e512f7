// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

// What it does is tested with the workers it ends, in managed_worker.cpp.
#include <cohort/detail/core/escalation.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

namespace escalation_test {

using cohort::detail::escalation;

TEST_CASE("an escalation that nothing was demanded of is no work")
{
  asio::io_context context;
  escalation end(context.get_executor());
  end.cancel();
  CHECK(context.run() == 0);
}

} // namespace escalation_test
