// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/inherited_socket.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace inherited_socket_test {

using cohort::inherited_socket;

TEST_CASE("the name of an inherited socket is one that a service manager can say")
{
  CHECK(inherited_socket("web.socket").name() == "web.socket");
  CHECK(inherited_socket("web.socket").index() == 0);
  CHECK(inherited_socket("two words", 3).index() == 3);
  CHECK(inherited_socket(std::string(255, 'x')).name().size() == 255);
  for (const std::string& bad : {std::string(), std::string(256, 'x'), std::string("a:b"),
           std::string("a\n"), std::string("\x7f"), std::string("\xc3\xa4"), std::string(1, '\0')})
    CHECK_THROWS_AS(inherited_socket{bad}, std::invalid_argument);
}

} // namespace inherited_socket_test
