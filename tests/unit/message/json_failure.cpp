// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_failure.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <limits>
#include <string>

namespace json_failure_test {

namespace {

using cohort::detail::json_failure;

} // namespace

TEST_CASE("a failure has its reason, and all functions say false")
{
  cohort::decode_error error;
  json_failure failure(error);
  CHECK_FALSE(error.code);
  CHECK_FALSE(failure.fail("wrong"));
  CHECK(error.code == cohort::error::invalid_message);
  CHECK(error.message() == "wrong");
  CHECK_FALSE(failure.in_member("price"));
  CHECK_FALSE(failure.in_element(0));
  CHECK_FALSE(failure.in_key("k"));
  CHECK(error.reason == "wrong");
}

TEST_CASE("where a failure was is told from the inside out")
{
  cohort::decode_error error;
  json_failure failure(error);
  failure.fail("wrong");
  failure.in_member("price");
  CHECK(error.path == "price");
  failure.in_element(7);
  CHECK(error.path == "[7].price");
  failure.in_key("a b");
  failure.in_element(std::numeric_limits<std::size_t>::max());
  failure.in_member("items");
  failure.in_member("order");
  CHECK(error.message() == "order.items[18446744073709551615][\"a b\"][7].price: wrong");
}

TEST_CASE("a key of another process is told so that people can read it")
{
  cohort::decode_error error;
  json_failure failure(error);
  failure.fail("wrong");
  failure.in_key("a\n\x7f\xc3" + std::string(50, 'x'));
  CHECK(error.path == "[\"a???" + std::string(36, 'x') + "...\"]");
}

TEST_CASE("a failure tells nothing of one before it")
{
  cohort::decode_error error;
  json_failure failure(error);
  failure.fail("first");
  failure.in_member("member");
  failure.fail("second");
  CHECK(error.message() == "second");
}

} // namespace json_failure_test
