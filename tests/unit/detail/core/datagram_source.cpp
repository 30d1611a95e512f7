// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/datagram_source.hpp>

#include "support/noted_port.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace datagram_source_test {

using namespace cohort::detail;
using asio::ip::udp;
using strings = std::vector<std::string>;

namespace {

struct source_test {
  std::shared_ptr<datagram_source> bind(
      std::uint16_t where = 0, const cohort::listen_options& options = cohort::listen_options())
  {
    const auto key = listen_key::of(udp::endpoint(asio::ip::address_v4::loopback(), where), error);
    return datagram_source::bind(context.get_executor(), key, options, error);
  }

  asio::io_context context{1};
  std::error_code error;
  cohort_test::noted_port port;
};

} // namespace

TEST_CASE("a bound source knows its address, and no connections")
{
  source_test test;
  const auto source = test.bind();
  REQUIRE_MESSAGE(source, test.error.message());
  CHECK(source->is_open());
  CHECK(source->live() == 0);
  CHECK(source->local_address().port() == source->socket().local_endpoint().port());
  CHECK(source->local_address().port() != 0);
}

TEST_CASE("an address in use is an error, unless both sockets share it")
{
  source_test test;
  const auto shared = cohort::listen_options().reuse_address(true);
  const auto first = test.bind(0, shared);
  REQUIRE(first);
  const auto port = first->local_address().port();
  CHECK_FALSE(test.bind(port));
  CHECK(test.error == std::errc::address_in_use);
  CHECK(test.bind(port, shared));
  const auto ports = cohort::listen_options().reuse_port(true);
  const auto third = test.bind(0, ports);
  REQUIRE(third);
  CHECK(test.bind(third->local_address().port(), ports));
}

TEST_CASE("once it is closed, what fails has failed for that reason")
{
  source_test test;
  const auto source = test.bind();
  const std::error_code refused = asio::error::connection_refused;
  CHECK(source->outcome(refused) == refused);
  source->close(cohort::error::draining);
  CHECK_FALSE(source->is_open());
  CHECK_FALSE(source->socket().is_open());
  CHECK(source->outcome(asio::error::operation_aborted) == cohort::error::draining);
  // What had succeeded before has.
  CHECK_FALSE(source->outcome(std::error_code()));
  source->close(asio::error::operation_aborted);
  CHECK(source->outcome(asio::error::bad_descriptor) == cohort::error::draining);
}

TEST_CASE("the primary is told of the end once, and not of a drain")
{
  source_test test;
  const auto owner = std::make_shared<cohort_test::silent_owner>();
  auto source = test.bind();
  source->join(owner, test.port, 7);
  source->close(asio::error::operation_aborted);
  source.reset();
  CHECK(test.port.take() == strings{"close"});
  source = test.bind();
  source->join(owner, test.port, 8);
  source->close(cohort::error::draining);
  source.reset();
  CHECK(test.port.take().empty());
  source = test.bind();
  source->join(owner, test.port, 9);
  source.reset();
  CHECK(test.port.take() == strings{"close"});
  // One of its own is nobody's business.
  test.bind()->close(asio::error::operation_aborted);
  CHECK(test.port.take().empty());
}

TEST_CASE("one that never was open has failed already")
{
  source_test test;
  const auto source = datagram_source::make_closed(test.context.get_executor());
  CHECK_FALSE(source->is_open());
  CHECK(source->outcome(asio::error::operation_aborted) == asio::error::bad_descriptor);
}

} // namespace datagram_source_test
