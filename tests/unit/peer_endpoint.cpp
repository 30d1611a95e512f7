// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/peer_endpoint.hpp>

#include <cohort/message/binary.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include <asio/io_context.hpp>
#include <boost/describe/class.hpp>
#include <boost/json/value.hpp>
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <type_traits>

namespace peer_endpoint_test {

using cohort::send_status;

namespace {

struct visited {
  int worker = 0;
};
struct counted {
  int visits = 0;
};
BOOST_DESCRIBE_STRUCT(visited, (), (worker))
BOOST_DESCRIBE_STRUCT(counted, (), (visits))

using protocol =
    cohort::protocol<cohort::to_primary<counted>, cohort::to_worker<visited>, cohort::binary_codec>;
using worker_type = cohort::basic_this_worker<protocol>;

static_assert(
    std::is_base_of_v<cohort::peer_endpoint<protocol, asio::any_io_executor>, worker_type>);
static_assert(!std::is_copy_constructible_v<worker_type>);

} // namespace

TEST_CASE("who stands alone has nobody to send to")
{
  asio::io_context context;
  worker_type self(context, cohort::standalone);
  CHECK(self.send_to("web", visited()) == send_status::not_connected);
  CHECK(self.send_to(2, visited()) == send_status::not_connected);
  CHECK(self.send_to(0, visited()) == send_status::not_connected);
  CHECK(self.broadcast(visited()) == send_status::not_connected);
  CHECK(self.queued_bytes() == 0);
}

TEST_CASE("a group has a name, and not a long one")
{
  asio::io_context context;
  worker_type self(context, cohort::standalone);
  CHECK_THROWS_AS(self.send_to("", visited()), std::invalid_argument);
  CHECK_THROWS_AS(self.send_to(std::string(65, 'g'), visited()), std::invalid_argument);
  CHECK_NOTHROW(self.send_to(std::string(64, 'g'), visited()));
}

TEST_CASE("without a protocol whatever becomes a JSON value can be sent")
{
  asio::io_context context;
  cohort::this_worker self(context, cohort::standalone);
  CHECK(self.send_to("web", boost::json::value(5)) == send_status::not_connected);
  CHECK(self.broadcast("text") == send_status::not_connected);
}

} // namespace peer_endpoint_test
