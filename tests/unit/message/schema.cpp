// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/schema.hpp>

#include <doctest/doctest.h>

#include <boost/describe/class.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace schema_test {

struct item {
  std::string name;
  double price;
};
BOOST_DESCRIBE_STRUCT(item, (), (name, price))

namespace other_name {
struct article {
  std::string name;
  double price;
};
BOOST_DESCRIBE_STRUCT(article, (), (name, price))

struct renamed_member {
  std::string title;
  double price;
};
BOOST_DESCRIBE_STRUCT(renamed_member, (), (title, price))

struct other_order {
  std::string name;
  double price;
};
BOOST_DESCRIBE_STRUCT(other_order, (), (price, name))

struct other_type {
  std::string name;
  float price;
};
BOOST_DESCRIBE_STRUCT(other_type, (), (name, price))

struct more {
  std::string name;
  double price;
  bool sold;
};
BOOST_DESCRIBE_STRUCT(more, (), (name, price, sold))

struct as_base : item {};
BOOST_DESCRIBE_STRUCT(as_base, (item), ())
} // namespace other_name

struct tree {
  int value;
  std::vector<tree> children;
};
BOOST_DESCRIBE_STRUCT(tree, (), (value, children))

struct right;
struct left {
  std::vector<right> others;
};
struct right {
  std::vector<left> others;
  std::vector<right> same;
};
BOOST_DESCRIBE_STRUCT(left, (), (others))
BOOST_DESCRIBE_STRUCT(right, (), (others, same))

struct nest : std::vector<nest> {};

enum class small : std::uint8_t {};
enum class small_signed : std::int8_t {};
struct plain {
  int a;
  float b;
};
struct same_size {
  int a;
  float b;
};
struct empty {};

struct everything {
  bool flag;
  char letter;
  std::int16_t shorter;
  std::uint64_t longest;
  float single;
  double twice;
  small number;
  std::string text;
  std::vector<std::uint32_t> numbers;
  std::array<item, 3> items;
  char buffer[8];
  std::map<std::string, item> named;
  std::set<int> some;
  std::pair<int, std::string> both;
  std::tuple<bool, tree> three;
  std::optional<tree> maybe;
  std::variant<std::monostate, int, std::string> any;
  std::chrono::milliseconds span;
  std::chrono::system_clock::time_point when;
  std::chrono::steady_clock::time_point measured;
  plain bytes;
  left recursive;
};
BOOST_DESCRIBE_STRUCT(everything, (),
    (flag, letter, shorter, longest, single, twice, number, text, numbers, items, buffer, named,
        some, both, three, maybe, any, span, when, measured, bytes, recursive))

using cohort::schema_of;

TEST_CASE("a schema has the same number with every compiler")
{
  constexpr std::uint32_t constant = schema_of<item>();
  CHECK(constant == 290036179);
  CHECK(schema_of<tree>() == 2029862080);
  CHECK(schema_of<left>() == 602992292);
  CHECK(schema_of<nest>() == 4161503036);
  CHECK(schema_of<everything>() == 2001256069);
  CHECK(schema_of<std::vector<std::optional<int>>>() == 1486751265);
}

TEST_CASE("the name of a class does not count")
{
  CHECK(schema_of<other_name::article>() == schema_of<item>());
}

TEST_CASE("the members of a class count: names, order, types, number, bases")
{
  CHECK(schema_of<other_name::renamed_member>() != schema_of<item>());
  CHECK(schema_of<other_name::other_order>() != schema_of<item>());
  CHECK(schema_of<other_name::other_type>() != schema_of<item>());
  CHECK(schema_of<other_name::more>() != schema_of<item>());
  CHECK(schema_of<other_name::as_base>() != schema_of<item>());
}

TEST_CASE("size and sign of numbers count, their names do not")
{
  CHECK(schema_of<int>() != schema_of<unsigned>());
  CHECK(schema_of<int>() != schema_of<short>());
  CHECK(schema_of<long>() == schema_of<long long>());
  CHECK(schema_of<float>() != schema_of<double>());
  CHECK(schema_of<float>() != schema_of<int>());
  CHECK(schema_of<bool>() != schema_of<std::uint8_t>());
  CHECK(schema_of<small>() != schema_of<small_signed>());
  CHECK(schema_of<small>() != schema_of<std::uint8_t>());
}

TEST_CASE("containers that look the same count as the same")
{
  CHECK(schema_of<std::vector<int>>() == schema_of<std::deque<int>>());
  CHECK(schema_of<std::vector<int>>() == schema_of<std::list<int>>());
  CHECK(schema_of<std::map<int, item>>() == schema_of<std::unordered_map<int, item>>());
  CHECK(schema_of<std::vector<int>>() != schema_of<std::vector<short>>());
  CHECK(schema_of<std::vector<int>>() != schema_of<std::set<int>>());
  CHECK(schema_of<std::map<int, int>>() != schema_of<std::set<int>>());
  CHECK(schema_of<std::vector<int>>() != schema_of<std::optional<int>>());
}

TEST_CASE("the number of elements counts where the type fixes it")
{
  CHECK(schema_of<std::array<int, 3>>() != schema_of<std::array<int, 4>>());
  CHECK(schema_of<std::array<int, 3>>() == schema_of<int[3]>());
  CHECK(schema_of<std::pair<int, bool>>() == schema_of<std::tuple<int, bool>>());
  CHECK(schema_of<std::tuple<int>>() != schema_of<std::tuple<int, int>>());
  CHECK(schema_of<std::variant<int, bool>>() != schema_of<std::variant<bool, int>>());
}

TEST_CASE("units and clocks count")
{
  CHECK(schema_of<std::chrono::seconds>() != schema_of<std::chrono::milliseconds>());
  CHECK(schema_of<std::chrono::system_clock::time_point>() !=
        schema_of<std::chrono::steady_clock::time_point>());
}

TEST_CASE("trivially copyable types count by name and size")
{
  CHECK(schema_of<plain>() != schema_of<same_size>());
  CHECK(schema_of<empty>() == schema_of<std::monostate>());
}

TEST_CASE("types that contain themselves differ from those that only look so at the top")
{
  CHECK(schema_of<tree>() != schema_of<std::pair<int, std::vector<tree>>>());
  CHECK(schema_of<left>() != schema_of<right>());
}

} // namespace schema_test
