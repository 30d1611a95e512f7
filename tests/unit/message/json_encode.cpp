// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_encode.hpp>

#include <doctest/doctest.h>

#include "support/described_types.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace json_encode_test {

namespace {

using cohort_test::color;
using cohort_test::item;
using cohort_test::tree;
using cohort_test::weekday;

enum class signed_number : std::int8_t { lowest = -128 };
/// Two names for one value.
enum class shape { round, circular = round, square };
BOOST_DESCRIBE_ENUM(shape, round, circular, square)

struct led_by_optional {
  std::optional<int> first;
  int second = 0;
  std::optional<std::string> last;
};
BOOST_DESCRIBE_STRUCT(led_by_optional, (), (first, second, last))

struct derived : item {
  explicit derived(int secret) : item{"n", 0.5}, secret_(secret) {}

private:
  int secret_;
  BOOST_DESCRIBE_CLASS(derived, (item), (), (), (secret_))
};

struct no_members {};
BOOST_DESCRIBE_STRUCT(no_members, (), ())

struct fragile {
  fragile() = default;
  explicit fragile(int) { throw std::runtime_error("does not want to"); }
  std::string text;
};
BOOST_DESCRIBE_STRUCT(fragile, (), (text))

template <class T>
std::string encoded(const T& value)
{
  cohort::byte_sink sink;
  cohort::detail::json_writer out(sink);
  cohort::detail::write_json(out, value);
  out.finish();
  const auto bytes = sink.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

} // namespace

TEST_CASE("scalars have their forms")
{
  CHECK(encoded(true) == "true");
  CHECK(encoded(false) == "false");
  CHECK(encoded('a') == "97");
  CHECK(encoded(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(encoded(0.1f) == "0.1");
  CHECK(encoded(-0.0) == "-0");
  CHECK(encoded(std::string("a\"b")) == R"("a\"b")");
  CHECK(encoded(std::monostate()) == "null");
  CHECK(encoded(std::chrono::milliseconds(-1500)) == "-1500");
  CHECK(encoded(std::chrono::duration<double>(0.5)) == "0.5");
  using time = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;
  CHECK(encoded(time(std::chrono::seconds(1700000000))) == "1700000000");
}

TEST_CASE("enumerations are written by name where names are described, else as numbers")
{
  CHECK(encoded(cohort_test::sunday) == R"("sunday")");
  CHECK(encoded(color::green) == "1");
  CHECK(encoded(color(255)) == "255");
  CHECK(encoded(signed_number::lowest) == "-128");
  CHECK(encoded(shape::circular) == R"("round")");
}

TEST_CASE("an enumerator without a name is not written")
{
  try {
    encoded(weekday(3));
    FAIL("nothing was thrown");
  } catch (const std::system_error& error) {
    CHECK(error.code() == cohort::error::invalid_message);
  }
}

TEST_CASE("containers have their forms")
{
  CHECK(encoded(std::vector<int>()) == "[]");
  CHECK(encoded(std::vector<bool>{true, false}) == "[true,false]");
  CHECK(encoded(std::list<std::string>{"x", ""}) == R"(["x",""])");
  CHECK(encoded(std::deque<double>{0.5, -0.0}) == "[0.5,-0]");
  CHECK(encoded(std::set<int>{4, 3}) == "[3,4]");
  CHECK(encoded(std::array<int, 2>{1, 2}) == "[1,2]");
  CHECK(encoded(std::array<int, 0>()) == "[]");
  const int built_in[2][2] = {{1, 2}, {3, 4}};
  CHECK(encoded(built_in) == "[[1,2],[3,4]]");
  CHECK(encoded(std::u16string(u"\u20ac")) == "[8364]");
  CHECK(encoded(std::pair(1, std::string("p"))) == R"([1,"p"])");
  CHECK(encoded(std::tuple(true, 2, 0.5)) == "[true,2,0.5]");
  CHECK(encoded(std::tuple<>()) == "[]");
}

TEST_CASE("bytes are written in base64")
{
  const std::vector<std::byte> bytes = {std::byte(0xff), std::byte(0), std::byte(1), std::byte(2)};
  CHECK(encoded(bytes) == R"("/wABAg==")");
  CHECK(encoded(std::array{std::byte(0xfe), std::byte(0)}) == R"("/gA=")");
  CHECK(encoded(std::array<std::byte, 0>()) == R"("")");
}

TEST_CASE("maps of strings are objects, other maps arrays")
{
  CHECK(encoded(std::map<std::string, int>()) == "{}");
  CHECK(encoded(std::map<std::string, int>{{"a\n", 1}, {"b", 2}}) == R"({"a\n":1,"b":2})");
  CHECK(encoded(std::unordered_map<std::string, item>{{"k", {"n", 1}}}) ==
        R"({"k":{"name":"n","price":1}})");
  CHECK(encoded(std::map<int, std::string>{{1, "one"}, {2, "two"}}) == R"([[1,"one"],[2,"two"]])");
  CHECK(encoded(std::multimap<std::string, int>{{"a", 1}, {"a", 2}}) == R"([["a",1],["a",2]])");
}

TEST_CASE("a struct is an object, members of its bases first, private ones too")
{
  CHECK(encoded(item{"n", 1.5}) == R"({"name":"n","price":1.5})");
  CHECK(encoded(derived(5)) == R"({"name":"n","price":0.5,"secret_":5})");
  CHECK(encoded(no_members()) == "{}");
  CHECK(encoded(tree{1, {tree{2, {}}}}) == R"({"value":1,"children":[{"value":2,"children":[]}]})");
}

TEST_CASE("an empty optional is left out of a struct, and null elsewhere")
{
  CHECK(encoded(led_by_optional{{}, 2, {}}) == R"({"second":2})");
  CHECK(encoded(led_by_optional{1, 2, {}}) == R"({"first":1,"second":2})");
  CHECK(encoded(led_by_optional{{}, 2, "l"}) == R"({"second":2,"last":"l"})");
  CHECK(encoded(std::optional<int>()) == "null");
  CHECK(encoded(std::vector<std::optional<int>>{{}, 1}) == "[null,1]");
  CHECK(encoded(std::pair<int, std::optional<int>>()) == "[0,null]");
}

TEST_CASE("a variant tells its kind before its value")
{
  using choice = std::variant<std::monostate, bool, std::int8_t, std::uint64_t, double, std::string,
      weekday, item, std::map<std::string, int>>;
  const auto form = [](choice value) { return encoded(value); };
  CHECK(form(choice()) == R"({"type":"null","value":null})");
  CHECK(form(true) == R"({"type":"bool","value":true})");
  CHECK(form(std::int8_t(1)) == R"({"type":"int8","value":1})");
  CHECK(form(std::uint64_t(1)) == R"({"type":"uint64","value":1})");
  CHECK(form(1.0) == R"({"type":"double","value":1})");
  CHECK(form("s") == R"({"type":"string","value":"s"})");
  CHECK(form(cohort_test::monday) == R"({"type":"weekday","value":"monday"})");
  CHECK(form(item()) == R"({"type":"item","value":{"name":"","price":0}})");
  CHECK(form(std::map<std::string, int>()) == R"({"type":"object","value":{}})");
}

TEST_CASE("a variant that lost its value is not written")
{
  std::variant<int, fragile> broken;
  CHECK_THROWS_AS(broken.emplace<fragile>(1), std::runtime_error);
  REQUIRE(broken.valueless_by_exception());
  CHECK_THROWS_AS(encoded(broken), std::bad_variant_access);
}

TEST_CASE("documents are written so that the kinds of their numbers come back")
{
  CHECK(encoded(boost::json::value{1.0, -0.0, 1e300, 2.5, std::nan("")}) ==
        "[1.0,-0.0,1e+300,2.5,null]");
  CHECK(encoded(boost::json::value(-std::numeric_limits<double>::infinity())) == "-1e99999");
  CHECK(encoded(boost::json::value{1, std::numeric_limits<std::uint64_t>::max()}) ==
        "[1,18446744073709551615]");
  CHECK(encoded(boost::json::value(nullptr)) == "null");
  CHECK(encoded(boost::json::value{true, false}) == "[true,false]");
  CHECK(encoded(boost::json::object{{"a\"", {1, "x"}}, {"b", boost::json::object()}}) ==
        R"({"a\"":[1,"x"],"b":{}})");
  CHECK(encoded(boost::json::array()) == "[]");
  CHECK(encoded(boost::json::string("a\n")) == R"("a\n")");
}

TEST_CASE("whatever is nested too deeply is not written")
{
  boost::json::value within = boost::json::array();
  for (unsigned i = 1; i != cohort::detail::json_max_depth; ++i)
    within = boost::json::array{std::move(within)};
  CHECK(encoded(within) == std::string(32, '[') + std::string(32, ']'));
  CHECK_THROWS_AS(encoded(boost::json::array{within}), std::system_error);
  CHECK_THROWS_AS(encoded(boost::json::object{{"k", within}}), std::system_error);
  CHECK_THROWS_AS(encoded(std::vector<boost::json::value>{within}), std::system_error);
  CHECK_THROWS_AS(
      encoded(std::map<std::string, boost::json::value>{{"", within}}), std::system_error);
  CHECK_THROWS_AS(encoded(std::map<int, boost::json::value>{{0, within}}), std::system_error);
  CHECK_THROWS_AS(encoded(std::tuple(within)), std::system_error);
  CHECK_THROWS_AS(encoded(std::variant<int, boost::json::value>(within)), std::system_error);
  // Each is an object and an array.
  CHECK_FALSE(encoded(cohort_test::tall_tree(16)).empty());
  CHECK_THROWS_AS(encoded(cohort_test::tall_tree(17)), std::system_error);
}

} // namespace json_encode_test
