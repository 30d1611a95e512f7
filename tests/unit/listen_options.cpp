// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/listen_options.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace listen_options_test {

using cohort::listen_options;

TEST_CASE("listening has the documented defaults")
{
  const listen_options options;
  CHECK(options.backlog() == 511);
  CHECK(options.credit() == 16);
  CHECK(options.mode() == 0600);
  CHECK_FALSE(options.ipv6_only());
  CHECK_FALSE(options.exclusive());
  CHECK_FALSE(options.reuse_port());
  CHECK_FALSE(options.reuse_address());
  CHECK_FALSE(options.hold_when_empty());
  CHECK_FALSE(options.adaptive_credit());
}

TEST_CASE("every option sets its own field, chained on an object")
{
  listen_options options;
  options.backlog(1).credit(2).mode(0640).ipv6_only(true).exclusive(true).hold_when_empty(true);
  CHECK(options.backlog() == 1);
  CHECK(options.credit() == 2);
  CHECK(options.mode() == 0640);
  CHECK(options.ipv6_only());
  CHECK(options.exclusive());
  CHECK(options.hold_when_empty());
  CHECK(options.adaptive_credit(true).adaptive_credit());
}

TEST_CASE("shared data is any bytes, and not many")
{
  listen_options options;
  CHECK(options.shared_data().empty());
  const std::string bytes("a\0b", 3);
  CHECK(options.shared_data(bytes).shared_data() == bytes);
  CHECK(listen_options().shared_data(std::string(4096, 'x')).shared_data().size() == 4096);
  CHECK_THROWS_AS(options.shared_data(std::string(4097, 'x')), std::length_error);
  CHECK(options.shared_data() == bytes);
}

TEST_CASE("a socket of its own on a port of others is nothing that the cluster knows")
{
  listen_options options;
  CHECK(options.reuse_port(true).exclusive());
  CHECK(options.reuse_port());
  CHECK_FALSE(options.reuse_port(false).exclusive());
  CHECK(listen_options().reuse_port(true).exclusive());
  CHECK_FALSE(listen_options().exclusive(true).reuse_port());
  // An address that is shared is the cluster's all the same.
  CHECK(options.reuse_address(true).reuse_address());
  CHECK_FALSE(options.exclusive());
  CHECK(listen_options().reuse_address(true).reuse_address());
}

TEST_CASE("every option works on a temporary")
{
  const listen_options options =
      listen_options().backlog(1).credit(2).mode(0640).ipv6_only(true).exclusive(true);
  CHECK(options.backlog() == 1);
  CHECK(options.credit() == 2);
  CHECK(options.mode() == 0640);
  CHECK(options.ipv6_only());
  CHECK(options.exclusive());
  CHECK(listen_options().hold_when_empty(true).hold_when_empty());
  CHECK(listen_options().adaptive_credit(true).adaptive_credit());
}

TEST_CASE("credit is 1 to 128")
{
  listen_options options;
  CHECK_THROWS_AS(options.credit(0), std::invalid_argument);
  CHECK_THROWS_AS(options.credit(129), std::invalid_argument);
  CHECK(options.credit() == 16);
  CHECK(options.credit(128).credit() == 128);
}

TEST_CASE("a backlog is at least 1")
{
  listen_options options;
  CHECK_THROWS_AS(options.backlog(0), std::invalid_argument);
  CHECK_THROWS_AS(options.backlog(-1), std::invalid_argument);
  CHECK(options.backlog() == 511);
}

TEST_CASE("a mode has permission bits only") { CHECK(listen_options().mode(07666).mode() == 0666); }

} // namespace listen_options_test
