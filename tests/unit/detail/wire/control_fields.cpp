// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/control_fields.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace control_fields_test {

using namespace cohort::detail;

TEST_CASE("an address keeps up to 128 bytes")
{
  for (std::size_t size = 0; size <= 128; ++size) {
    const std::vector<std::byte> bytes(size, std::byte(size));
    const wire::address_bytes address(bytes);
    CHECK(std::vector<std::byte>(address.bytes().begin(), address.bytes().end()) == bytes);
  }
  CHECK(wire::address_bytes(std::vector<std::byte>(129)).bytes().empty());
  CHECK(wire::address_bytes().bytes().empty());
}

TEST_CASE("a bounded text keeps what is not too long, and nothing of what is")
{
  using text = wire::bounded_text<4>;
  CHECK(text("").text().empty());
  CHECK(text("four").text() == "four");
  CHECK(text("fives").text().empty());
  CHECK(text(std::string("a\0b", 3)).text().size() == 3);
}

TEST_CASE("kinds of sockets are told apart")
{
  for (const auto kind :
      {wire::listen_kind::inherited_stream, wire::listen_kind::inherited_datagram})
    CHECK(wire::is_inherited(kind));
  for (const auto kind : {wire::listen_kind::udp, wire::listen_kind::inherited_datagram})
    CHECK(wire::is_datagram(kind));
  for (const auto kind : {wire::listen_kind::tcp, wire::listen_kind::unix_stream})
    CHECK((!wire::is_inherited(kind) && !wire::is_datagram(kind)));
}

} // namespace control_fields_test
