// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_defaults.hpp>

#include <doctest/doctest.h>

#include "support/described_types.hpp"

#include <boost/describe/class.hpp>

#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace json_defaults_test {

using cohort_test::color;
using cohort_test::item;

struct zeros {
  bool flag = false;
  int number = 0;
  double ratio = 0;
  color paint = color::red;
  std::string text;
  std::vector<int> list;
  std::map<int, int> map;
  std::chrono::seconds span{};
  std::chrono::system_clock::time_point when;
  item thing;
  std::array<int, 2> two{};
  std::pair<int, int> both;
  std::variant<int, bool> any;
};
BOOST_DESCRIBE_STRUCT(
    zeros, (), (flag, number, ratio, paint, text, list, map, span, when, thing, two, both, any))

struct others {
  bool flag = true;
  char letter = 'a';
  int number = -1;
  double ratio = 1e-300;
  color paint = color::green;
  std::string text = "text";
  std::vector<int> list = {0};
  std::set<int> set = {0};
  std::map<int, int> map = {{0, 0}};
  std::chrono::seconds span{1};
  std::chrono::system_clock::time_point when = std::chrono::system_clock::time_point::max();
  std::optional<int> maybe = 1;
};
BOOST_DESCRIBE_STRUCT(
    others, (), (flag, letter, number, ratio, paint, text, list, set, map, span, when, maybe))

struct needs_no_value {
  std::optional<int> maybe;
  std::monostate nothing;
};
BOOST_DESCRIBE_STRUCT(needs_no_value, (), (maybe, nothing))

struct some_listed {
  int listed = 0;
  int not_listed = 0;
  item thing;
  std::array<int, 2> two{};
};
BOOST_DESCRIBE_STRUCT(some_listed, (), (listed, not_listed, thing, two))

struct all_listed : some_listed {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(all_listed, (some_listed), (text))

/// What its base lists is said of the base only.
struct none_listed : some_listed {};
BOOST_DESCRIBE_STRUCT(none_listed, (some_listed), ())

/// A member of the base, by either name.
struct base_listed : some_listed {
  int own = 0;
};
BOOST_DESCRIBE_STRUCT(base_listed, (some_listed), (own))

} // namespace json_defaults_test

template <>
inline constexpr auto cohort::json_defaults<json_defaults_test::some_listed> =
    cohort::json_members<&json_defaults_test::some_listed::listed,
        &json_defaults_test::some_listed::thing, &json_defaults_test::some_listed::two>();
template <>
inline constexpr auto
    cohort::json_defaults<json_defaults_test::all_listed> = cohort::all_json_members();
template <>
inline constexpr auto cohort::json_defaults<json_defaults_test::base_listed> =
    cohort::json_members<&json_defaults_test::base_listed::not_listed>();

namespace json_defaults_test {

namespace {

/// The members of a new T that may be absent.
template <class T>
std::string may_be_absent()
{
  std::string names;
  const T made;
  cohort::detail::all_of(cohort::detail::flat_members<T>(), [&](auto member) {
    using described = decltype(member);
    if (cohort::detail::may_be_absent<T, described>(made.*described::pointer))
      names += std::string(member.name) + ' ';
    return true;
  });
  return names;
}

} // namespace

TEST_CASE("a member whose default is zero or empty may not be absent, as it cannot be seen")
{
  CHECK(may_be_absent<zeros>().empty());
}

TEST_CASE("a member that has another default may be absent")
{
  CHECK(may_be_absent<others>() ==
        "flag letter number ratio paint text list set map span when maybe ");
}

TEST_CASE("a member that needs no value may be absent")
{
  CHECK(may_be_absent<needs_no_value>() == "maybe nothing ");
}

TEST_CASE("listed members may be absent, of any type")
{
  CHECK(may_be_absent<some_listed>() == "listed thing two ");
  CHECK(may_be_absent<all_listed>() == "listed not_listed thing two text ");
}

TEST_CASE("what is listed for a base is not listed for what derives from it")
{
  CHECK(may_be_absent<none_listed>().empty());
}

TEST_CASE("a member of a base is listed by the derived struct's name for it")
{
  CHECK(may_be_absent<base_listed>() == "not_listed ");
}

} // namespace json_defaults_test
