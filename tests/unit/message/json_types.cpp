// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_types.hpp>

#include <doctest/doctest.h>

#include "support/described_types.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace json_types_test {

using namespace cohort::detail;
using cohort_test::color;
using cohort_test::item;
using cohort_test::part;
using cohort_test::point;
using cohort_test::tree;
using cohort_test::weekday;

namespace {

enum open_enum { anything };

namespace elsewhere {
struct item {};
BOOST_DESCRIBE_STRUCT(item, (), ())
} // namespace elsewhere

struct empty {};
struct no_members {};
BOOST_DESCRIBE_STRUCT(no_members, (), ())
struct order : item {
  int number = 0;

private:
  std::vector<part> parts_;
  BOOST_DESCRIBE_CLASS(order, (item), (number), (), (parts_))
};
struct shadowed : item {
  int name = 0;
};
BOOST_DESCRIBE_STRUCT(shadowed, (item), (name))
struct fixed {
  const int value = 0;
};
BOOST_DESCRIBE_STRUCT(fixed, (), (value))
struct no_default {
  explicit no_default(int given) : value(given) {}
  int value;
};
BOOST_DESCRIBE_STRUCT(no_default, (), (value))
struct unmovable {
  std::atomic<int> value = 0;
};
BOOST_DESCRIBE_STRUCT(unmovable, (), (value))
struct undescribed_base : empty {
  int value = 0;
};
BOOST_DESCRIBE_STRUCT(undescribed_base, (empty), (value))
struct undescribed_far_base : undescribed_base {};
BOOST_DESCRIBE_STRUCT(undescribed_far_base, (undescribed_base), ())
template <class T>
struct boxed {
  T value{};
  BOOST_DESCRIBE_CLASS(boxed, (), (value), (), ())
};
struct secret_base : private item {
  BOOST_DESCRIBE_CLASS(secret_base, (item), (), (), ())
};
struct holds_thread {
  std::vector<std::optional<std::thread>> threads;
};
BOOST_DESCRIBE_STRUCT(holds_thread, (), (threads))
struct left;
struct right {
  std::vector<left> others;
};
struct left {
  std::vector<right> others;
  std::unique_ptr<int> obstacle;
};
BOOST_DESCRIBE_STRUCT(right, (), (others))
BOOST_DESCRIBE_STRUCT(left, (), (others, obstacle))

template <class T>
constexpr bool carried = std::is_void_v<json_obstacle_t<T>>;
template <class T, class Obstacle>
constexpr bool stops_at = std::is_same_v<json_obstacle_t<T>, Obstacle>;

template <class T>
std::string members()
{
  std::string names;
  all_of(flat_members<T>(), [&](auto member) {
    names += std::string(member.name) + ' ';
    return true;
  });
  return names;
}

} // namespace

TEST_CASE("JSON carries numbers of up to 64 bits, strings, bytes, enumerations and documents")
{
  CHECK(carried<bool>);
  CHECK(carried<char32_t>);
  CHECK(carried<std::uint64_t>);
  CHECK(carried<double>);
  CHECK(carried<std::string>);
  CHECK(carried<std::vector<std::byte>>);
  CHECK(carried<std::array<std::byte, 3>>);
  CHECK(carried<color>);
  CHECK(carried<weekday>);
  CHECK(carried<boost::json::value>);
  CHECK(carried<boost::json::string>);
  CHECK(carried<std::chrono::duration<double>>);
  CHECK(carried<std::monostate>);
  CHECK(carried<empty>);
}

TEST_CASE("a struct with a base that is not described is none that JSON carries")
{
  CHECK(stops_at<undescribed_base, undescribed_base>);
  CHECK(stops_at<undescribed_far_base, undescribed_far_base>);
  CHECK(stops_at<std::vector<undescribed_far_base>, undescribed_far_base>);
}

TEST_CASE("alternatives that are described templates are told apart by their names")
{
  CHECK(carried<std::variant<int, boxed<std::vector<item>>>>);
  CHECK(json_kind<boxed<int>>().substr(0, 5) == "boxed");
  CHECK(json_kind<elsewhere::item>() == "item");
}

TEST_CASE("JSON carries what consists of what it carries")
{
  CHECK(carried<order>);
  CHECK(carried<tree>);
  CHECK(carried<std::vector<tree>>);
  CHECK(carried<std::map<int, std::pair<std::string, std::optional<item>>>>);
  CHECK(carried<std::variant<std::monostate, item, std::vector<item>>>);
  CHECK(carried<std::array<std::deque<bool>, 2>>);
  CHECK(carried<std::optional<boost::json::value>>);
  CHECK(carried<int[2][3]>);
}

TEST_CASE("the first type that JSON cannot carry is told")
{
  CHECK(stops_at<std::thread, std::thread>);
  CHECK(stops_at<holds_thread, std::thread>);
  CHECK(stops_at<std::vector<std::string_view>, std::string_view>);
  CHECK(stops_at<const char*, const char*>);
  CHECK(stops_at<std::tuple<int, void*, int*>, void*>);
  CHECK(stops_at<std::map<int, std::pair<bool, int*>>, int*>);
  CHECK(stops_at<right, std::unique_ptr<int>>);
  CHECK(stops_at<left, std::unique_ptr<int>>);
  CHECK(stops_at<point, point>);
  CHECK(stops_at<std::vector<long double>, long double>);
  CHECK(stops_at<open_enum, open_enum>);
  CHECK(stops_at<const item, const item>);
  CHECK(stops_at<std::u16string, void>);
}

TEST_CASE("what could not be told apart in JSON is not carried")
{
  using twice = std::optional<std::optional<int>>;
  CHECK(stops_at<std::vector<twice>, twice>);
  CHECK_FALSE(carried<std::optional<std::monostate>>);
  CHECK_FALSE(carried<std::variant<std::vector<int>, std::list<int>>>);
  CHECK_FALSE(carried<std::variant<int, int>>);
  CHECK_FALSE(carried<std::variant<item, elsewhere::item>>);
  CHECK(carried<std::variant<std::int8_t, std::uint8_t, std::int64_t, float, double>>);
  CHECK(carried<std::variant<std::string, std::vector<std::byte>, std::vector<int>>>);
}

TEST_CASE("a struct is carried when each member can be got at, by a name of its own")
{
  CHECK(stops_at<shadowed, shadowed>);
  CHECK(stops_at<secret_base, secret_base>);
  CHECK(stops_at<fixed, fixed>);
  CHECK(stops_at<no_default, no_default>);
  CHECK(stops_at<unmovable, unmovable>);
  CHECK(carried<no_members>);
}

TEST_CASE("the members of a struct are those of its bases first, of any access")
{
  CHECK(members<order>() == "name price number parts_ ");
  CHECK(members<item>() == "name price ");
  CHECK(members<no_members>().empty());
}

TEST_CASE("an alternative has a name in JSON for its kind")
{
  CHECK(json_kind<std::monostate>() == "null");
  CHECK(json_kind<bool>() == "bool");
  CHECK(json_kind<std::int8_t>() == "int8");
  CHECK(json_kind<std::uint8_t>() == "uint8");
  CHECK(json_kind<std::int16_t>() == "int16");
  CHECK(json_kind<std::uint16_t>() == "uint16");
  CHECK(json_kind<std::int32_t>() == "int32");
  CHECK(json_kind<std::uint32_t>() == "uint32");
  CHECK(json_kind<std::int64_t>() == "int64");
  CHECK(json_kind<std::uint64_t>() == "uint64");
  CHECK(json_kind<unsigned long long>() == "uint64");
  CHECK(json_kind<float>() == "float");
  CHECK(json_kind<double>() == "double");
  CHECK(json_kind<std::string>() == "string");
  CHECK(json_kind<std::vector<std::byte>>() == "bytes");
  CHECK(json_kind<std::array<std::byte, 2>>() == "bytes");
  CHECK(json_kind<std::vector<int>>() == "array");
  CHECK(json_kind<std::set<int>>() == "array");
  CHECK(json_kind<std::pair<int, int>>() == "array");
  CHECK(json_kind<std::array<int, 2>>() == "array");
  CHECK(json_kind<std::map<int, int>>() == "array");
  CHECK(json_kind<std::map<std::string, int>>() == "object");
  CHECK(json_kind<boost::json::value>() == "json");
  CHECK(json_kind<boost::json::object>() == "json");
  CHECK(json_kind<std::chrono::seconds>() == "duration");
  CHECK(json_kind<std::chrono::steady_clock::time_point>() == "time_point");
  CHECK(json_kind<std::optional<int>>() == "optional");
  CHECK(json_kind<std::variant<int>>() == "variant");
}

TEST_CASE("the kind of a struct or enumeration is its name without namespaces")
{
  CHECK(json_kind<item>() == "item");
  CHECK(json_kind<order>() == "order");
  CHECK(json_kind<empty>() == "empty");
  CHECK(json_kind<color>() == "color");
}

TEST_CASE("what travels as a string, as bytes, as an object is known by its type")
{
  CHECK(json_text<std::string>);
  CHECK_FALSE(json_text<std::u16string>);
  CHECK_FALSE(json_text<std::vector<char>>);
  CHECK(json_bytes<std::vector<std::byte>>);
  CHECK_FALSE(json_bytes<std::vector<unsigned char>>);
  CHECK_FALSE(json_bytes<std::byte[3]>);
  CHECK_FALSE(json_bytes<std::deque<std::byte>>);
  CHECK(json_document<boost::json::array>);
  CHECK_FALSE(json_document<std::string>);
  CHECK(json_object_map<std::map<std::string, int>>);
  CHECK(json_object_map<std::unordered_map<std::string, item>>);
  CHECK_FALSE(json_object_map<std::multimap<std::string, int>>);
  CHECK_FALSE(json_object_map<std::map<int, int>>);
  CHECK_FALSE(json_object_map<std::set<std::string>>);
}

TEST_CASE("an enumeration travels by name when it is described, else as a number")
{
  CHECK(json_named_enum<weekday>);
  CHECK_FALSE(json_numbered_enum<weekday>);
  CHECK(json_numbered_enum<color>);
  CHECK_FALSE(json_named_enum<color>);
  CHECK_FALSE(json_named_enum<open_enum>);
  CHECK_FALSE(json_numbered_enum<open_enum>);
}

} // namespace json_types_test
