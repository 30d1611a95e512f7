// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/config.hpp>

#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/strand.hpp>
#include <doctest/doctest.h>

#include <concepts>

namespace config_test {

namespace {

using strand = asio::strand<asio::any_io_executor>;
using detached_executor = asio::detached_t::as_default_on_t<asio::ip::tcp::socket>::executor_type;

// Whatever Asio's own default is in its version, ours is to be awaited.
static_assert(std::same_as<cohort::default_token_t<>, asio::use_awaitable_t<>>);
static_assert(std::same_as<cohort::default_token_t<strand>, asio::use_awaitable_t<strand>>);
// An executor that brings its own default keeps it.
static_assert(std::same_as<cohort::default_token_t<detached_executor>, asio::detached_t>);

} // namespace

TEST_CASE("the version is major * 10000 + minor * 100 + patch")
{
  CHECK(cohort::version / 10000 == 0);
  CHECK(cohort::version / 100 % 100 == 1);
  CHECK(cohort::version % 100 == 0);
}

} // namespace config_test
