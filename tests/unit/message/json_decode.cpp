// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_decode.hpp>

#include <doctest/doctest.h>

#include "support/described_types.hpp"

#include <boost/describe/class.hpp>

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
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace json_decode_test {

using cohort_test::color;
using cohort_test::item;
using cohort_test::part;
using cohort_test::tree;
using cohort_test::weekday;

struct order {
  std::string customer;
  std::vector<item> items;
  std::map<std::string, item> by_name;
  std::optional<std::string> note;
};
BOOST_DESCRIBE_STRUCT(order, (), (customer, items, by_name, note))

struct options {
  std::string file;
  int retries = 3;
  std::string mode = "fast";
  bool verbose = false;
  std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(options, (), (file, retries, mode, verbose, limit))

struct tuning {
  bool eager = false;
  int size = 0;
};
BOOST_DESCRIBE_STRUCT(tuning, (), (eager, size))
struct some_tuning : tuning {};
BOOST_DESCRIBE_STRUCT(some_tuning, (tuning), ())

struct nesting {
  options inner;
  int row[2] = {7, 8};
  std::variant<int, std::string> choice;
};
BOOST_DESCRIBE_STRUCT(nesting, (), (inner, row, choice))

class secretive : public item {
public:
  int get() const { return secret_; }

private:
  int secret_ = 0;
  BOOST_DESCRIBE_CLASS(secretive, (item), (), (), (secret_))
};

struct no_members {};
BOOST_DESCRIBE_STRUCT(no_members, (), ())

} // namespace json_decode_test

template <>
inline constexpr auto cohort::json_defaults<json_decode_test::tuning> =
    cohort::json_members<&json_decode_test::tuning::eager>();
template <>
inline constexpr auto
    cohort::json_defaults<json_decode_test::some_tuning> = cohort::all_json_members();
template <>
inline constexpr auto cohort::json_defaults<json_decode_test::nesting> =
    cohort::json_members<&json_decode_test::nesting::row, &json_decode_test::nesting::choice>();

namespace json_decode_test {

namespace {

/// What is wrong with the text, which lies in memory of its own, so that a sanitizer sees each step
/// beyond the end; empty when nothing is.
template <class T>
std::string problem(std::string_view text, T& value)
{
  const std::vector<char> copy(text.begin(), text.end());
  cohort::decode_error error;
  cohort::detail::json_reader in({copy.data(), copy.size()}, error);
  const bool done = cohort::detail::read_json(in, value) && in.read_end();
  CHECK(done == !error.code);
  if (!done) CHECK(error.code == cohort::error::invalid_message);
  return done ? "" : error.message();
}

template <class T>
T decoded(std::string_view text)
{
  T value{};
  const auto wrong = problem(text, value);
  CAPTURE(text);
  REQUIRE_MESSAGE(wrong.empty(), wrong);
  return value;
}

template <class T>
std::string failure(std::string_view text)
{
  T value{};
  return problem(text, value);
}

using strings = std::vector<std::string>;

} // namespace

TEST_CASE("scalars are read from their forms")
{
  CHECK(decoded<bool>(" true "));
  CHECK_FALSE(decoded<bool>("false"));
  CHECK(failure<bool>("1") == "expected a boolean, got a number");
  CHECK(failure<bool>("truf") == "not JSON: expected a boolean at byte 0");
  CHECK(decoded<std::int64_t>("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK(std::signbit(decoded<double>("-0")));
  CHECK(decoded<std::string>(R"("a\"b")") == "a\"b");
  CHECK(decoded<weekday>(R"("sunday")") == cohort_test::sunday);
  CHECK(decoded<color>("1") == color::green);
  CHECK(decoded<std::monostate>("null") == std::monostate());
  CHECK(failure<std::monostate>("0") == "expected null, got a number");
  CHECK(decoded<boost::json::value>("[1]") == boost::json::value{1});
  CHECK(decoded<std::vector<std::byte>>(R"("AQ==")").at(0) == std::byte(1));
}

TEST_CASE("durations and time points are read from their ticks")
{
  CHECK(decoded<std::chrono::milliseconds>("-1500").count() == -1500);
  CHECK(decoded<std::chrono::duration<double>>("0.5").count() == 0.5);
  CHECK(failure<std::chrono::seconds>("0.5") == "expected an integer, got 0.5");
  using time = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;
  CHECK(decoded<time>("1700000000") == time(std::chrono::seconds(1700000000)));
  CHECK(failure<time>("\"now\"") == "expected an integer, got a string");
}

TEST_CASE("containers are read from arrays")
{
  CHECK(decoded<strings>("[]").empty());
  CHECK(decoded<std::vector<bool>>("[true,false]") == std::vector<bool>{true, false});
  CHECK(decoded<std::list<std::string>>(R"(["x",""])") == std::list<std::string>{"x", ""});
  CHECK(decoded<std::deque<double>>("[ 0.5 ]").at(0) == 0.5);
  CHECK(decoded<std::u16string>("[8364]") == u"\u20ac");
  CHECK(decoded<std::set<int>>("[4,3,4]") == std::set<int>{3, 4});
  CHECK(decoded<std::multiset<int>>("[4,3,4]").size() == 3);
  CHECK(failure<std::vector<int>>("{}") == "expected an array, got an object");
  CHECK(failure<std::set<int>>("[1,true]") == "[1]: expected an integer, got a boolean");
}

TEST_CASE("maps are read from objects or from arrays of pairs")
{
  using by_name = std::map<std::string, int>;
  CHECK(decoded<by_name>("{}").empty());
  CHECK(decoded<by_name>(R"({"a\u0041":1,"b":2})") == by_name{{"aA", 1}, {"b", 2}});
  using by_number = std::map<int, std::string>;
  CHECK(decoded<by_number>(R"([[2,"two"],[1,"one"]])") == by_number{{1, "one"}, {2, "two"}});
  const auto several = decoded<std::multimap<std::string, int>>(R"([["a",1],["a",2]])");
  CHECK(several == std::multimap<std::string, int>{{"a", 1}, {"a", 2}});
  CHECK(failure<by_name>("[]") == "expected an object, got an array");
  CHECK(failure<by_number>("{}") == "expected an array, got an object");
  CHECK(failure<by_number>("[[1]]") == "[0]: expected 2 elements, got 1");
  CHECK(
      failure<by_number>(R"([[1,"a"],["2","b"]])") == "[1][0]: expected an integer, got a string");
}

TEST_CASE("arrays of a fixed length have just that length")
{
  using three = std::array<int, 3>;
  CHECK(decoded<three>("[1,2,3]") == three{1, 2, 3});
  CHECK(failure<three>("[1,2]") == "expected 3 elements, got 2");
  CHECK(failure<three>("[]") == "expected 3 elements, got 0");
  CHECK(failure<three>("[1,2,3,4]") == "expected 3 elements, got more");
  CHECK(failure<three>("[1,2,true]") == "[2]: expected an integer, got a boolean");
  CHECK(decoded<std::pair<int, std::string>>(R"([1,"p"])") == std::pair(1, std::string("p")));
  CHECK(failure<std::pair<int, int>>("[]") == "expected 2 elements, got 0");
  CHECK(failure<std::tuple<int, bool>>("[1,2]") == "[1]: expected a boolean, got a number");
  CHECK(decoded<std::tuple<>>("[]") == std::tuple<>());
  CHECK(failure<std::tuple<>>("[1]") == "expected 0 elements, got more");
  CHECK(decoded<std::array<int, 0>>(" [ ] ").empty());
  CHECK(failure<std::array<int, 0>>("[1]") == "expected 0 elements, got more");
  int built_in[2][2] = {};
  CHECK(problem("[[1,2],[3,4]]", built_in).empty());
  CHECK(built_in[1][0] == 3);
  CHECK(problem("[[1,2],[3]]", built_in) == "[1]: expected 2 elements, got 1");
}

TEST_CASE("what was there gives way to what is read")
{
  strings list = {"old"};
  CHECK(problem(R"(["new"])", list).empty());
  CHECK(list == strings{"new"});
  std::map<std::string, int> map = {{"old", 1}};
  CHECK(problem("{}", map).empty());
  CHECK(map.empty());
  std::map<int, int> pairs = {{1, 1}};
  CHECK(problem("[]", pairs).empty());
  CHECK(pairs.empty());
  std::set<int> set = {1};
  CHECK(problem("[2]", set).empty());
  CHECK(set == std::set<int>{2});
  std::optional<int> maybe = 1;
  CHECK(problem("null", maybe).empty());
  CHECK_FALSE(maybe);
}

TEST_CASE("members of a struct are read in any order, those of bases and private ones too")
{
  CHECK(decoded<item>(R"({"name":"n","price":1.5})") == item{"n", 1.5});
  CHECK(decoded<item>(R"({"price":1.5,"name":"n"})") == item{"n", 1.5});
  CHECK(decoded<item>(R"({"na\u006de":"n","price":1})").name == "n");
  const auto read = decoded<secretive>(R"({"secret_":6,"price":1,"name":"n"})");
  CHECK(read.get() == 6);
  CHECK(read.name == "n");
  CHECK(decoded<tree>(R"({"value":1,"children":[{"value":2,"children":[]}]})") ==
        tree{1, {tree{2, {}}}});
}

TEST_CASE("keys that nobody knows are ignored, whatever they hold")
{
  const std::string unknown = R"("new":{"a":[1,{"b":"\u0041"},-1.5e3,true,false,null]},)";
  CHECK(decoded<item>("{" + unknown + R"("name":"n",)" + unknown + R"("price":1})").name == "n");
  CHECK(failure<item>(R"({"new":[1,],"name":"n","price":1})") ==
        "not JSON: expected a value at byte 10");
  CHECK(decoded<item>(R"({"NAME":1,"name ":2,"nam":3,"name":"n","price":1})").name == "n");
  CHECK(failure<no_members>(R"({"a":1})").empty());
  CHECK(failure<no_members>("{}").empty());
}

TEST_CASE("an optional member may be absent or null")
{
  const std::string known = R"({"customer":"c","items":[],"by_name":{})";
  CHECK_FALSE(decoded<order>(known + "}").note);
  CHECK_FALSE(decoded<order>(known + R"(,"note":null})").note);
  CHECK(decoded<order>(known + R"(,"note":"n"})").note == "n");
  CHECK(decoded<std::vector<std::optional<int>>>("[null,1]").at(1) == 1);
}

TEST_CASE("a member that has a default keeps it when it is absent")
{
  const auto read = decoded<options>(R"({"file":"f","verbose":true})");
  CHECK(read.retries == 3);
  CHECK(read.mode == "fast");
  CHECK_FALSE(read.limit);
  CHECK(failure<options>(R"({"retries":1,"verbose":true})") == "file: missing");
  // A default that is zero cannot be seen.
  CHECK(failure<options>(R"({"file":"f"})") == "verbose: missing");
  CHECK(failure<options>(R"({"file":"f","verbose":true,"retries":null})") ==
        "retries: expected an integer, got null");
}

TEST_CASE("members that json_defaults lists may be absent")
{
  CHECK(decoded<tuning>(R"({"size":1})").size == 1);
  CHECK(failure<tuning>(R"({"eager":true})") == "size: missing");
  CHECK(decoded<some_tuning>("{}").size == 0);
}

TEST_CASE("the last of equal keys counts, and nothing is left of the others")
{
  CHECK(decoded<item>(R"({"name":"a","price":1,"name":"b"})").name == "b");
  const auto twice = decoded<order>(
      R"({"customer":"c","items":[{"name":"a","price":1}],"by_name":{"x":{"name":"1","price":1},)"
      R"("x":{"name":"2","price":1}},"note":"n","items":[],"note":null})");
  CHECK(twice.items.empty());
  CHECK(twice.by_name.at("x").name == "2");
  CHECK_FALSE(twice.note);
  const std::string first = R"({"inner":{"file":"f","verbose":true,"retries":9,"limit":1},)";
  const auto nested = decoded<nesting>(first + R"("inner":{"file":"g","verbose":true}})");
  CHECK(nested.inner.retries == 3);
  CHECK(nested.inner.file == "g");
  CHECK_FALSE(nested.inner.limit);
  // What is missing in the last one was there in the first.
  CHECK(failure<nesting>(first + R"("inner":{"file":"g"}})") == "inner.verbose: missing");
  CHECK(
      decoded<nesting>(R"({"row":[1,2],"inner":{"file":"g","verbose":true},"row":[3,4]})").row[1] ==
      4);
  CHECK(decoded<std::map<int, int>>("[[1,2],[1,3]]") == std::map<int, int>{{1, 3}});
}

TEST_CASE("errors name the member and what is wrong with it")
{
  const std::string good = R"({"name":"a","price":1})";
  const std::string head = R"({"customer":"c","items":[)" + good + "," + good + ",";
  CHECK(failure<order>(head + R"({"name":"x","price":"1"}]})") ==
        "items[2].price: expected a number, got a string");
  CHECK(failure<order>(head + R"({"name":"x"}]})") == "items[2].price: missing");
  CHECK(failure<order>(head + "3]}") == "items[2]: expected an object, got a number");
  CHECK(failure<order>(R"({"customer":"c","items":[],"by_name":{"a b":{"name":false}}})") ==
        R"(by_name["a b"].name: expected a string, got a boolean)");
  CHECK(failure<order>(R"({"customer":"c","items":[],"by_name":{"\n\u00ff":{"name":false}}})") ==
        R"(by_name["???"].name: expected a string, got a boolean)");
  CHECK(failure<order>(R"({"customer":null})") == "customer: expected a string, got null");
  CHECK(failure<std::vector<std::vector<int>>>("[[1],[2,[]]]") ==
        "[1][1]: expected an integer, got an array");
  CHECK(failure<std::map<int, int>>("[[1,2],[3,{}]]") ==
        "[1][1]: expected an integer, got an object");
  CHECK(failure<std::vector<int>>("[1,]") == "[1]: not JSON: expected an integer at byte 3");
  CHECK(failure<std::vector<boost::json::value>>("[1,[2}]") == "[1]: not JSON: syntax error");
}

TEST_CASE("a variant is read by its kind, before or after the value")
{
  using choice = std::variant<std::monostate, std::int8_t, double, std::string, tree>;
  CHECK(decoded<choice>(R"({"type":"string","value":"s"})") == choice("s"));
  CHECK(decoded<choice>(R"({"value":"s","type":"string"})") == choice("s"));
  CHECK(decoded<choice>(R"({"type":"null","value":null})") == choice());
  CHECK(decoded<choice>(R"({"type":"null"})") == choice());
  CHECK(decoded<choice>(R"({"value":null,"type":"null"})") == choice());
  CHECK(
      decoded<choice>(R"({"more":1,"type":"int8","value":2,"less":{}})") == choice(std::int8_t(2)));
  CHECK(decoded<choice>(R"({"value":{"children":[],"value":4},"no":[],"type":"tree"})") ==
        choice(tree{4, {}}));
  // A value before its type is followed by what is behind the variant.
  CHECK(
      decoded<std::vector<choice>>(R"([{"value":1,"type":"int8"} , {"value":2,"type":"int8"}])") ==
      std::vector<choice>{std::int8_t(1), std::int8_t(2)});
  CHECK(failure<choice>("[]") == "expected an object, got an array");
}

TEST_CASE("of a variant's equal keys the last ones count")
{
  using choice = std::variant<std::monostate, std::int8_t, double>;
  CHECK(decoded<choice>(R"({"type":"int8","value":2,"type":"double"})") == choice(2.0));
  CHECK(decoded<choice>(R"({"type":"int8","value":2,"value":3})") == choice(std::int8_t(3)));
  CHECK(decoded<choice>(R"({"value":1,"type":"int8","value":3})") == choice(std::int8_t(3)));
  CHECK(decoded<choice>(R"({"value":1,"value":3,"type":"int8"})") == choice(std::int8_t(3)));
  CHECK(failure<choice>(R"({"type":"int8","value":2,"type":"null"})") ==
        "value: expected null, got a number");
}

TEST_CASE("what is wrong with a variant is told")
{
  using choice = std::variant<std::monostate, std::int8_t, tree>;
  CHECK(failure<choice>(R"({"type":"int9","value":2})") == R"(type: unknown type "int9")");
  CHECK(failure<choice>(R"({"type":"\n","value":2})") == R"(type: unknown type "?")");
  CHECK(failure<choice>(R"({"type":1,"value":2})") == "type: expected a string, got a number");
  CHECK(failure<choice>(R"({"value":2})") == "type: missing");
  CHECK(failure<choice>("{}") == "type: missing");
  CHECK(failure<choice>(R"({"type":"int8"})") == "value: missing");
  CHECK(failure<choice>(R"({"value":300,"type":"int8"})") ==
        "value: expected an integer from -128 to 127, got 300");
  CHECK(failure<choice>(R"({"type":"tree","value":{"value":true}})") ==
        "value.value: expected an integer, got a boolean");
}

TEST_CASE("a text that ends too early is refused wherever it ends")
{
  using message = std::tuple<part, order, std::variant<int, tree>, std::map<int, weekday>>;
  const std::string text = R"([{"name":"n","number":-1,"weight":1.5,"ratio":null},)"
                           R"({"customer":"\u0041","items":[{"price":1,"name":""}],"by_name":)"
                           R"({"k":{"name":"n","price":1e5}},"new":[{}]},)"
                           R"({"value":{"value":1,"children":[]},"type":"tree"},[[1,"monday"]]])";
  CHECK(failure<message>(text).empty());
  for (std::size_t size = 0; size != text.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(failure<message>(text.substr(0, size)).empty());
  }
}

TEST_CASE("nesting ends where the limit is, for all types, and for what is skipped")
{
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(decoded<cohort_test::nest>(nested(32)).size() == 1);
  CHECK(failure<cohort_test::nest>(nested(33)).ends_with("[0][0]: nested too deeply"));
  CHECK(decoded<std::vector<boost::json::value>>(nested(32)).size() == 1);
  CHECK(failure<std::vector<boost::json::value>>(nested(33)) == "[0]: nested too deeply");
  const std::string unknown = R"({"value":1,"children":[],"new":)";
  CHECK(decoded<tree>(unknown + nested(31) + "}").value == 1);
  CHECK(failure<tree>(unknown + nested(32) + "}") == "nested too deeply");
  CHECK(failure<tree>(unknown + std::string(1'000'000, '[')) == "nested too deeply");
  using choice = std::variant<int, boost::json::value>;
  CHECK(failure<choice>(R"({"value":)" + nested(31) + R"(,"type":"json"})").empty());
  CHECK(failure<choice>(R"({"value":)" + nested(32) + R"(,"type":"json"})") == "nested too deeply");
}

} // namespace json_decode_test
