// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/status_text.hpp>

#include "support/empty_group_host.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <system_error>

namespace status_text_test {

using namespace cohort::detail;

TEST_CASE("a line tells how a group is")
{
  asio::io_context context(1);
  cohort_test::empty_group_host host;
  cohort::group description("web");
  description.restarts(cohort::restart_policy().boot_failures(2));
  const auto group =
      std::make_shared<supervised_group>(context.get_executor(), description, 2, host, 1);
  CHECK(status_text(*group, {}) ==
        "group web workers 2 ready 0 starting 0 leaving 0 generation 0 state up\n");
  group->adopt(1, true);
  group->adopt(2, false);
  CHECK(status_text(*group, {}) ==
        "group web workers 2 ready 1 starting 1 leaving 0 generation 0 state up\n");
  group->stop(std::chrono::seconds(1));
  CHECK(status_text(*group, {}) ==
        "group web workers 2 ready 1 starting 1 leaving 0 generation 0 state ending\n");
  group->begin();
  CHECK(status_text(*group, {}) ==
        "group web workers 2 ready 0 starting 0 leaving 2 generation 0 state ending\n");
  group->close();
}

TEST_CASE("a line tells that a group has given up")
{
  asio::io_context context(1);
  cohort_test::empty_group_host host;
  cohort::group description("web");
  description.restarts(cohort::restart_policy().boot_failures(2));
  const auto group =
      std::make_shared<supervised_group>(context.get_executor(), description, 2, host, 1);
  group->begin();
  CHECK(status_text(*group, {}) ==
        "group web workers 2 ready 0 starting 0 leaving 0 generation 0 state given-up\n");
  group->close();
}

TEST_CASE("what a worker says of itself is one word, whatever it says")
{
  using status_text_detail::word;
  CHECK(word("plain") == "plain");
  CHECK(word("two words\n\x7f") == "two_words__");
}

} // namespace status_text_test
