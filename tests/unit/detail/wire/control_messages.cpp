// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/control_messages.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace control_messages_test {

using namespace cohort::detail;

TEST_CASE("counts and windows have bounds")
{
  wire::credit credit;
  CHECK(credit.valid());
  credit.window = wire::max_outstanding;
  CHECK(credit.valid());
  credit.window = wire::max_outstanding + 1;
  CHECK_FALSE(credit.valid());

  wire::taken taken;
  CHECK_FALSE(taken.valid());
  taken.count = wire::max_outstanding;
  CHECK(taken.valid());
  taken.count = wire::max_outstanding + 1;
  CHECK_FALSE(taken.valid());

  wire::refused refused;
  CHECK_FALSE(refused.valid());
  refused.count = wire::max_outstanding;
  CHECK(refused.valid());
  refused.count = wire::max_outstanding + 1;
  CHECK_FALSE(refused.valid());

  wire::offer offer;
  CHECK_FALSE(offer.valid());
  offer.count = wire::max_descriptors;
  CHECK(offer.valid());
  offer.count = wire::max_descriptors + 1;
  CHECK_FALSE(offer.valid());

  wire::released released;
  CHECK_FALSE(released.valid());
  released.count = 0xffffffff;
  CHECK(released.valid());
}

TEST_CASE("connections that were accepted are counted, and are not none")
{
  wire::accepted accepted;
  CHECK_FALSE(accepted.valid());
  accepted.count = wire::max_outstanding;
  CHECK(accepted.valid());
  accepted.count = wire::max_outstanding + 1;
  CHECK_FALSE(accepted.valid());
}

TEST_CASE("no more were left to a worker than it has accepted")
{
  wire::accepted accepted;
  accepted.count = 3;
  accepted.left = 3;
  CHECK(accepted.valid());
  accepted.left = 4;
  CHECK_FALSE(accepted.valid());
  accepted.count = accepted.left = 0;
  CHECK_FALSE(accepted.valid());
}

TEST_CASE("a worker goes at once or lets others go, and nothing else")
{
  wire::turn turn;
  CHECK(turn.go == 1);
  for (unsigned value = 0; value != 256; ++value) {
    turn.go = static_cast<std::uint8_t>(value);
    CHECK(turn.valid() == (value < 2));
  }
}

TEST_CASE("a socket comes with a listen that succeeded alone, and then it is one")
{
  wire::listen_reply reply;
  CHECK(reply.descriptors() == 0);
  for (unsigned value = 0; value != 256; ++value) {
    reply.how = static_cast<wire::sharing>(value);
    CHECK(reply.valid() == (value <= 2));
  }
  reply.how = wire::sharing::own_socket;
  CHECK(reply.descriptors() == 1);
  reply.category = wire::error_kind::system;
  reply.value = 98;
  CHECK_FALSE(reply.valid());
}

TEST_CASE("enumerations and flags have only the documented values")
{
  wire::refused refused;
  refused.count = 1;
  wire::listen listen;
  wire::listen_reply reply;
  for (unsigned value = 0; value != 256; ++value) {
    refused.reason = static_cast<wire::refuse_reason>(value);
    CHECK(refused.valid() == (value >= 1 && value <= 3));
    listen = wire::listen();
    listen.kind = static_cast<wire::listen_kind>(value);
    // A name has to be there.
    CHECK(listen.valid() == (value <= 4));
    listen.path = wire::path_text("name");
    CHECK(listen.valid() == (value == 1 || value == 5));
    listen = wire::listen();
    listen.flags = static_cast<std::uint8_t>(value);
    // Who asks for TCP cannot ask for what only UDP has.
    CHECK(listen.valid() == (value <= 15));
    listen.kind = wire::listen_kind::udp;
    CHECK(listen.valid() == (value <= 31 && (value & wire::listen_any_host) == 0));
    reply.category = static_cast<wire::error_kind>(value);
    reply.value = value == 0 ? 0 : 13;
    CHECK(reply.valid() == (value <= 2));
  }
  listen = wire::listen();
  listen.mode = 07777;
  CHECK(listen.valid());
  listen.mode = 010000;
  CHECK_FALSE(listen.valid());
}

TEST_CASE("what is asked for is an address, a path or a descriptor, as its kind says")
{
  using enum wire::listen_kind;
  for (const auto kind : {tcp, unix_stream, udp, inherited_stream, inherited_datagram}) {
    wire::listen listen;
    listen.kind = kind;
    CHECK(listen.valid());
    listen.descriptor = 7;
    CHECK(listen.valid() == wire::is_inherited(kind));
    listen.descriptor = 0;
    listen.path = wire::path_text("/long");
    CHECK(listen.valid() == (kind == unix_stream));
    listen.address = wire::address_bytes(std::vector<std::byte>(16));
    CHECK_FALSE(listen.valid());
    listen.path = wire::path_text();
    CHECK(listen.valid() == !wire::is_inherited(kind));
  }
  wire::listen named;
  named.kind = named_stream;
  CHECK_FALSE(named.valid());
  named.path = wire::path_text("http");
  CHECK(named.valid());
  named.descriptor = 7;
  CHECK_FALSE(named.valid());
  named.descriptor = 0;
  named.address = wire::address_bytes(std::vector<std::byte>(16));
  CHECK_FALSE(named.valid());
  CHECK_FALSE((wire::is_inherited(named_stream) || wire::is_datagram(named_stream)));
  CHECK(wire::is_datagram(udp));
  CHECK(wire::is_datagram(inherited_datagram));
  CHECK_FALSE(wire::is_datagram(inherited_stream));
  CHECK_FALSE(wire::is_datagram(tcp));
}

TEST_CASE("a text keeps so many bytes, whatever they are, and no part of more")
{
  const std::string zeros(wire::shared_bytes::capacity, '\0');
  CHECK(wire::shared_bytes(zeros).text() == zeros);
  CHECK(wire::shared_bytes(zeros + 'x').text().empty());
  CHECK(wire::path_text("/a").text() == "/a");
  CHECK(wire::path_text() == wire::path_text(""));
}

TEST_CASE("an error in a reply has a value, and a success has none")
{
  wire::listen_reply reply;
  CHECK(reply.valid());
  reply.value = 98;
  CHECK_FALSE(reply.valid());
  reply.category = wire::error_kind::system;
  CHECK(reply.valid());
  reply.value = 0;
  CHECK_FALSE(reply.valid());
}

TEST_CASE("the reserved part of a hello is zero")
{
  wire::hello hello;
  CHECK(hello.valid());
  hello.reserved = 1;
  CHECK_FALSE(hello.valid());
}

} // namespace control_messages_test
