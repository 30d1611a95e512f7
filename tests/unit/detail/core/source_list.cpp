// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/source_list.hpp>

#include <cohort/detail/core/accept_source.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <memory>

namespace source_list_test {

using namespace cohort::detail;

namespace {

struct silent_owner final : source_owner {
  void source_lease_ended() override {}
};

struct counting_source final : accept_source {
  explicit counting_source(const asio::any_io_executor& executor)
      : accept_source(executor, std::make_shared<silent_owner>(), posix::socket_address())
  {
  }
  using accept_source::deliver;

  void serve() override {}
  void live_changed() override {}
  void unwanted() override {}
  void unusable() override {}
  void stop() override { ++stops; }
  int stops = 0;
};

} // namespace

TEST_CASE("a list knows whether a connection of any source lives, and closes those that exist")
{
  asio::io_context context;
  source_list list;
  CHECK_FALSE(list.any_live());
  auto gone = std::make_shared<counting_source>(context.get_executor());
  const auto kept = std::make_shared<counting_source>(context.get_executor());
  list.add(gone);
  list.add(kept);
  gone.reset();
  accepted taken;
  kept->add([&](std::error_code, accepted result) { taken = std::move(result); });
  kept->deliver(posix::unique_fd());
  context.poll();
  CHECK(list.any_live());
  taken = accepted();
  context.restart();
  context.poll();
  CHECK_FALSE(list.any_live());
  list.close(asio::error::operation_aborted);
  list.close(asio::error::operation_aborted);
  CHECK(kept->stops == 1);
}

} // namespace source_list_test
