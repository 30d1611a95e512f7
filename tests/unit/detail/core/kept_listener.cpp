// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// With members: tests/unit/detail/core/shared_listener.cpp.
#include <cohort/detail/core/kept_listener.hpp>

#include <cohort/scheduling/round_robin.hpp>

#include "support/event_loop.hpp"
#include "support/noted_host.hpp"
#include "support/upgrade_channel.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <system_error>
#include <utility>

namespace kept_listener_test {

using namespace cohort::detail;
using cohort::overflow;

namespace {

struct bare_listener final : kept_listener<cohort::round_robin, cohort_test::noted_host> {
  bare_listener(cohort_test::noted_host& host, listening_sockets bare, bool hold_when_empty,
      std::error_code& error)
      : kept_listener(host, 1, std::move(bare), hold_when_empty, cohort::round_robin(), error)
  {
  }
  using kept_listener::answers_unserved;
  using kept_listener::check_members;
  using kept_listener::stays_empty;
  void kept() override { ++times_kept; }
  void pumped() override {}
  void starved() noexcept override {}

  int times_kept = 0;
};

struct fixture {
  explicit fixture(bool hold_when_empty = false)
  {
    std::error_code error;
    const auto key = cohort_test::loopback_key();
    auto socket = posix::listen_stream(key.address, posix::listen_settings(), error);
    const auto bound = posix::local_address(socket.get(), error);
    made = std::make_shared<bare_listener>(host,
        listening_sockets(context.get_executor(), std::move(socket), bound,
            posix::listen_settings(), wire::sharing::offers, error),
        hold_when_empty, error);
    REQUIRE_FALSE(error);
  }
  ~fixture()
  {
    made->close_if_empty();
    cohort_test::run_ready(context);
    CHECK(context.stopped());
  }
  passed_listener pass()
  {
    std::error_code error;
    auto passed = made->pass(listen_key(), wire::shared_bytes(), error);
    CHECK_FALSE(error);
    return passed;
  }

  asio::io_context context{1};
  cohort_test::noted_host host;
  std::shared_ptr<bare_listener> made;
};

} // namespace

TEST_CASE("without members a listener closes, unless that was not wanted when it was made")
{
  fixture test, holding(true);
  CHECK_FALSE(test.made->stays_empty());
  test.made->check_members();
  CHECK_FALSE(test.made->is_open());
  holding.made->check_members();
  CHECK(holding.made->is_open());
  holding.host.is_ending = true;
  holding.made->check_members();
  CHECK_FALSE(holding.made->is_open());
}

TEST_CASE("as long as the primary holds it, it stays open")
{
  fixture test;
  test.made->hold();
  CHECK(test.made->times_kept == 1);
  CHECK(test.made->is_held());
  test.made->check_members();
  test.made->close_if_empty();
  CHECK(test.made->is_open());
  test.made->release();
  CHECK_FALSE(test.made->is_held());
  CHECK_FALSE(test.made->is_open());
}

TEST_CASE("as long as another process may go on with it, it stays open")
{
  fixture test;
  const passed_listener passed = test.pass();
  CHECK(passed.sockets.size() == 1);
  CHECK(test.made->times_kept == 1);
  test.made->check_members();
  test.made->close_if_empty();
  CHECK(test.made->is_open());
  test.made->take_back();
  CHECK_FALSE(test.made->is_open());
  test.made->take_back();
}

TEST_CASE("what the primary gives up meanwhile stays open for the other process, without answers")
{
  fixture test;
  test.made->hold();
  std::error_code error;
  test.made->set_unserved(overflow::reset(), error);
  CHECK_FALSE(error);
  CHECK(test.made->answers_unserved());
  test.pass();
  test.made->release();
  CHECK(test.made->is_open());
  CHECK_FALSE(test.made->answers_unserved());
  test.made->take_back();
  CHECK_FALSE(test.made->is_open());
}

TEST_CASE("what is taken back stays open where the primary holds it")
{
  fixture test;
  test.made->hold();
  test.pass();
  test.made->take_back();
  CHECK(test.made->is_open());
  test.made->release();
}

TEST_CASE("with a successor nothing keeps it open")
{
  fixture test(true);
  test.made->hold();
  test.pass();
  CHECK(test.made->stays_empty());
  test.made->let_go();
  CHECK_FALSE(test.made->is_open());
  CHECK_FALSE(test.made->is_held());
  CHECK_FALSE(test.made->stays_empty());
}

TEST_CASE("what a successor has not got is not let go, and closes with its last member")
{
  fixture test(true);
  test.made->hold();
  test.made->let_go();
  CHECK(test.made->is_open());
  CHECK(test.made->is_held());
  CHECK_FALSE(test.made->has_successor());
  test.made->release();
  CHECK_FALSE(test.made->stays_empty());
  CHECK_FALSE(test.made->is_open());
}

} // namespace kept_listener_test
