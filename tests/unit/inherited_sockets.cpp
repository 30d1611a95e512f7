// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// With descriptors that a service manager has given: tests/process/socket_activation.cpp.
#include <cohort/inherited_sockets.hpp>

#include <doctest/doctest.h>

#include <system_error>

namespace inherited_sockets_test {

TEST_CASE("a process that no service manager has given anything has no inherited sockets")
{
  std::error_code error = std::make_error_code(std::errc::io_error);
  CHECK(cohort::inherited_socket_names(error).empty());
  CHECK_FALSE(error);
  CHECK(cohort::take_inherited_sockets(error).empty());
  CHECK_FALSE(error);
  cohort::close_inherited_sockets();
  CHECK(cohort::inherited_socket_names().empty());
  CHECK(cohort::take_inherited_sockets().empty());
}

} // namespace inherited_sockets_test
