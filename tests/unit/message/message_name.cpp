// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/message_name.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string_view>

namespace message_name_test {

struct order {
  struct line {};
  enum class state {};
};
class customer {};
union number_or_text {
  int number;
};
enum class color {};
enum plain {};

namespace inner {
struct order {};
} // namespace inner

namespace {
struct hidden {
  struct deeper {};
};
} // namespace

struct renamed {};
template <class T>
struct price {
};

} // namespace message_name_test

struct message_name_test_global {};

template <>
inline constexpr std::string_view cohort::message_name<message_name_test::renamed> = "old_name";
template <>
inline constexpr std::string_view cohort::message_name<message_name_test::price<double>> = "price";

namespace message_name_test {

using cohort::message_id;
using cohort::message_name;

TEST_CASE("a message is named as its type, with all namespaces")
{
  CHECK(message_name<message_name_test_global> == "message_name_test_global");
  CHECK(message_name<order> == "message_name_test::order");
  CHECK(message_name<order::line> == "message_name_test::order::line");
  CHECK(message_name<order::state> == "message_name_test::order::state");
  CHECK(message_name<inner::order> == "message_name_test::inner::order");
  CHECK(message_name<customer> == "message_name_test::customer");
  CHECK(message_name<number_or_text> == "message_name_test::number_or_text");
  CHECK(message_name<color> == "message_name_test::color");
  CHECK(message_name<plain> == "message_name_test::plain");
  CHECK(message_name<int> == "int");
}

TEST_CASE("anonymous namespaces have the same name with every compiler")
{
  CHECK(message_name<hidden> == "message_name_test::(anonymous namespace)::hidden");
  CHECK(message_name<hidden::deeper> == "message_name_test::(anonymous namespace)::hidden::deeper");
}

TEST_CASE("a program may name a message itself")
{
  CHECK(message_name<renamed> == "old_name");
  CHECK(message_name<price<double>> == "price");
  CHECK(message_id<renamed>() == cohort::detail::fnv1a("old_name"));
}

TEST_CASE("a message's number is the 32-bit FNV-1a hash of its name")
{
  CHECK(cohort::detail::fnv1a("") == 0x811c9dc5);
  CHECK(cohort::detail::fnv1a("a") == 0xe40c292c);
  CHECK(cohort::detail::fnv1a("foobar") == 0xbf9cf968);
  CHECK(cohort::detail::fnv1a("bar", cohort::detail::fnv1a("foo")) == 0xbf9cf968);
  CHECK(message_id<order>() == cohort::detail::fnv1a("message_name_test::order"));
  // The same with every compiler.
  constexpr std::uint32_t constant = message_id<order>();
  CHECK(constant == 1448027741);
  CHECK(message_id<hidden>() == 1069480988);
}

} // namespace message_name_test
