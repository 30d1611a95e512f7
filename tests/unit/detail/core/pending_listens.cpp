// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/pending_listens.hpp>
#include <cohort/error.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <system_error>
#include <vector>

namespace pending_listens_test {

using cohort::detail::accept_source;
using cohort::detail::listen_key;
using cohort::detail::pending_listen;
using cohort::detail::pending_listens;

namespace {

listen_key at_index(std::uint16_t index)
{
  listen_key key;
  key.index = index;
  return key;
}

struct fixture {
  std::uint32_t add(std::uint16_t index = 0)
  {
    auto made = std::make_unique<pending_listen>(context.get_executor());
    made->asked.index = index;
    made->waiting.add(
        [this](std::error_code error, std::shared_ptr<accept_source>) { ends.push_back(error); });
    return listens.add(std::move(made));
  }

  asio::io_context context;
  std::vector<std::error_code> ends;
  pending_listens listens;
};

} // namespace

TEST_CASE("each listen has a number of its own and is taken once")
{
  fixture test;
  const auto first = test.add();
  const auto second = test.add();
  CHECK(first != second);
  CHECK(test.listens.take(first));
  CHECK_FALSE(test.listens.take(first));
  CHECK(test.add() != first);
  CHECK_FALSE(test.listens.take(77));
}

TEST_CASE("an index is in use while its listen is pending")
{
  fixture test;
  const auto number = test.add(2);
  CHECK(test.listens.uses(at_index(2)));
  CHECK_FALSE(test.listens.uses(at_index(1)));
  test.listens.take(number);
  CHECK_FALSE(test.listens.uses(at_index(2)));
}

TEST_CASE("all that are pending fail together, once")
{
  fixture test;
  test.add();
  test.add();
  test.listens.fail_all(cohort::error::draining);
  test.listens.fail_all(cohort::error::disconnected);
  test.context.run();
  CHECK(test.ends == std::vector<std::error_code>(2, cohort::error::draining));
}

} // namespace pending_listens_test
