// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/handle_kind.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <set>
#include <string_view>

namespace handle_kind_test {

using cohort::handle_kind;

TEST_CASE("each kind has a name of its own")
{
  std::set<std::string_view> names;
  const int last = static_cast<int>(handle_kind::unsupported);
  for (int i = 0; i <= last; ++i) names.insert(to_string(static_cast<handle_kind>(i)));
  CHECK(names.size() == static_cast<std::size_t>(last) + 1);
  CHECK(names.count("unknown") == 0);
  CHECK(to_string(handle_kind::tcp_socket) == "tcp_socket");
  CHECK(to_string(static_cast<handle_kind>(last + 1)) == "unknown");
}

} // namespace handle_kind_test
