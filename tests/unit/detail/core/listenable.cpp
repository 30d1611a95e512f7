// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/listenable.hpp>

#include <asio/ip/udp.hpp>

#include <doctest/doctest.h>

#include <concepts>

namespace listenable_test {

using namespace cohort::detail;
using asio::ip::tcp;
using local = asio::local::stream_protocol;

static_assert(listenable<tcp::endpoint>);
static_assert(listenable<cohort::any_host>);
static_assert(listenable<local::endpoint>);
static_assert(listenable<cohort::unix_path>);
static_assert(!listenable<asio::ip::udp::endpoint>);
static_assert(!listenable<int>);

TEST_CASE("every address of the machine is one when it is bound")
{
  CHECK(std::same_as<bound_at<cohort::any_host>, tcp::endpoint>);
  CHECK(std::same_as<bound_at<tcp::endpoint>, tcp::endpoint>);
  CHECK(std::same_as<bound_at<local::endpoint>, local::endpoint>);
  CHECK(std::same_as<bound_at<cohort::unix_path>, cohort::unix_path>);
}

} // namespace listenable_test
