// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace json_test {

enum class color { red, green };
BOOST_DESCRIBE_ENUM(color, red, green)
enum class level : std::uint8_t { low = 1, high = 200 };
enum open_enum { anything };

struct entity {
  std::uint32_t id = 0;

  friend bool operator==(const entity&, const entity&) = default;
};
BOOST_DESCRIBE_STRUCT(entity, (), (id))

struct tree : entity {
  std::string name;
  std::vector<tree> children;

  friend bool operator==(const tree&, const tree&) = default;
};
BOOST_DESCRIBE_STRUCT(tree, (entity), (name, children))

struct item {
  std::string name;
  double price = 0;
};
BOOST_DESCRIBE_STRUCT(item, (), (name, price))

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

struct everything {
  bool flag = false;
  char letter = 0;
  std::int64_t big = 0;
  float ratio = 0;
  std::vector<bool> bits;
  std::array<int, 2> pair_of_ints{};
  int built_in[2] = {};
  std::list<std::string> words;
  std::deque<double> numbers;
  std::set<int> numbers_once;
  std::map<int, std::string> names;
  std::multimap<std::string, int> many;
  std::unordered_map<std::string, tree> trees;
  std::pair<int, std::string> pair;
  std::tuple<bool, int, std::string> tuple;
  std::variant<std::monostate, int, std::string, tree, std::vector<int>> choice;
  color paint = color::red;
  level height = level::low;
  std::chrono::milliseconds delay{};
  std::chrono::system_clock::time_point when;
  std::vector<std::byte> blob;
  std::array<std::byte, 2> two_bytes{};
  boost::json::value any;
};
BOOST_DESCRIBE_STRUCT(everything, (),
    (flag, letter, big, ratio, bits, pair_of_ints, built_in, words, numbers, numbers_once, names,
        many, trees, pair, tuple, choice, paint, height, delay, when, blob, two_bytes, any))

struct led_by_optional {
  std::optional<int> first;
  int second = 0;
};
BOOST_DESCRIBE_STRUCT(led_by_optional, (), (first, second))

struct nesting {
  options inner;
};
BOOST_DESCRIBE_STRUCT(nesting, (), (inner))

class secretive {
public:
  void set(int value) { secret_ = value; }
  int get() const { return secret_; }

private:
  int secret_ = 0;
  BOOST_DESCRIBE_CLASS(secretive, (), (), (), (secret_))
};

struct shadowed : entity {
  int id = 0;
};
BOOST_DESCRIBE_STRUCT(shadowed, (entity), (id))
struct fixed {
  const int value = 0;
};
BOOST_DESCRIBE_STRUCT(fixed, (), (value))
struct holds_thread {
  std::vector<std::optional<std::thread>> threads;
};
BOOST_DESCRIBE_STRUCT(holds_thread, (), (threads))

} // namespace json_test

template <>
inline constexpr auto
    cohort::json_defaults<json_test::tuning> = cohort::json_members<&json_test::tuning::eager>();
template <>
inline constexpr auto cohort::json_defaults<json_test::some_tuning> = cohort::all_json_members();

namespace json_test {

using cohort::json_codec;

namespace {

template <class Message>
std::string encoded(const Message& message)
{
  cohort::byte_sink sink;
  json_codec::encode(message, sink);
  const auto bytes = sink.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

template <class Message>
std::optional<Message> decoded(std::string_view text, cohort::decode_error& error)
{
  return json_codec::decode<Message>(std::as_bytes(std::span(text)), error);
}

template <class Message>
Message decoded(std::string_view text)
{
  cohort::decode_error error;
  auto message = decoded<Message>(text, error);
  CAPTURE(text);
  REQUIRE_MESSAGE(message.has_value(), error.message());
  return *std::move(message);
}

// What is wrong with it, in one line.
template <class Message>
std::string failure(std::string_view text)
{
  cohort::decode_error error;
  if (decoded<Message>(text, error)) return "decoded";
  CHECK(error.code == cohort::error::invalid_message);
  return error.message();
}

} // namespace

TEST_CASE("each type has its form, and comes back from it")
{
  everything all;
  all.flag = true;
  all.letter = 'a';
  all.big = -5;
  all.ratio = 0.1f;
  all.bits = {true, false};
  all.pair_of_ints = {1, 2};
  all.built_in[1] = 7;
  all.words = {"x", ""};
  all.numbers = {0.5, -0.0};
  all.numbers_once = {3, 4};
  all.names = {{1, "one"}};
  all.many = {{"a", 1}, {"a", 2}};
  all.trees["oak"].name = "leaf";
  all.pair = {1, "p"};
  all.tuple = {true, 2, "t"};
  all.choice = std::vector<int>{9};
  all.paint = color::green;
  all.height = level::high;
  all.delay = std::chrono::milliseconds(1500);
  all.when += std::chrono::seconds(1);
  all.blob = {std::byte(0xff), std::byte(0), std::byte(1), std::byte(2)};
  all.two_bytes[0] = std::byte(0xfe);
  all.any = {{"k", {1, 2.5, nullptr}}};
  const std::string text = encoded(all);
  CHECK(text == R"({"flag":true,"letter":97,"big":-5,"ratio":0.1,"bits":[true,false],)"
                R"("pair_of_ints":[1,2],"built_in":[0,7],"words":["x",""],"numbers":[0.5,-0],)"
                R"("numbers_once":[3,4],"names":[[1,"one"]],"many":[["a",1],["a",2]],)"
                R"("trees":{"oak":{"id":0,"name":"leaf","children":[]}},"pair":[1,"p"],)"
                R"("tuple":[true,2,"t"],"choice":{"type":"array","value":[9]},"paint":"green",)"
                R"("height":200,"delay":1500,"when":1000000000,"blob":"/wABAg==",)"
                R"("two_bytes":"/gA=","any":{"k":[1,2.5,null]}})");
  CHECK(encoded(decoded<everything>(text)) == text);
}

TEST_CASE("white space may be anywhere between the tokens")
{
  const auto read = decoded<item>(" {\n\"name\" :\t\"n\" ,\r\n \"price\":1.5 } \n");
  CHECK(read.name == "n");
  CHECK(read.price == 1.5);
}

TEST_CASE("members of bases stand beside one's own, and a struct may contain itself")
{
  tree root;
  root.id = 1;
  root.children.resize(1);
  root.children[0].id = 2;
  const auto text = encoded(root);
  CHECK(text == R"({"id":1,"name":"","children":[{"id":2,"name":"","children":[]}]})");
  CHECK(decoded<tree>(text).children.at(0).id == 2);
}

TEST_CASE("private members that are described travel too")
{
  secretive sent;
  sent.set(5);
  CHECK(encoded(sent) == R"({"secret_":5})");
  CHECK(decoded<secretive>(R"({"secret_":6})").get() == 6);
}

TEST_CASE("keys that nobody knows are ignored, whatever they hold")
{
  const std::string unknown = R"("new":{"a":[1,{"b":"\u0041"},-1.5e3,true,false,null]},)";
  CHECK(decoded<item>("{" + unknown + R"("name":"n","price":1})").name == "n");
  CHECK(failure<item>(R"({"new":[1,],"name":"n","price":1})") ==
        "not JSON: expected a value at byte 10");
}

TEST_CASE("an empty optional is left out, and may be absent or null")
{
  CHECK(encoded(order{"c", {}, {}, {}}) == R"({"customer":"c","items":[],"by_name":{}})");
  const std::string known = R"({"customer":"c","items":[],"by_name":{})";
  CHECK_FALSE(decoded<order>(known + "}").note.has_value());
  CHECK_FALSE(decoded<order>(known + R"(,"note":null})").note.has_value());
  CHECK(decoded<order>(known + R"(,"note":"n"})").note == "n");
  CHECK(encoded(std::vector<std::optional<int>>{{}, 1}) == "[null,1]");
}

TEST_CASE("a struct whose first member is an empty optional begins without a comma")
{
  CHECK(encoded(led_by_optional{{}, 2}) == R"({"second":2})");
  CHECK(encoded(led_by_optional{1, 2}) == R"({"first":1,"second":2})");
}

TEST_CASE("a member that has a default keeps it when it is absent")
{
  const auto read = decoded<options>(R"({"file":"f","verbose":true})");
  CHECK(read.retries == 3);
  CHECK(read.mode == "fast");
  CHECK_FALSE(read.limit.has_value());
  CHECK(failure<options>(R"({"retries":1,"verbose":true})") == "file: missing");
  // A default that is zero cannot be seen.
  CHECK(failure<options>(R"({"file":"f"})") == "verbose: missing");
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
  CHECK_FALSE(twice.note.has_value());
  const auto nested = decoded<nesting>(R"({"inner":{"file":"f","verbose":true,"retries":9},)"
                                       R"("inner":{"file":"g","verbose":true}})");
  CHECK(nested.inner.retries == 3);
  CHECK(nested.inner.file == "g");
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
  CHECK(failure<order>("[]") == "expected an object, got an array");
}

TEST_CASE("what is no JSON text is told with its place")
{
  CHECK(failure<int>("") == "the message is empty");
  CHECK(failure<int>("  ") == "not JSON: expected an integer at the end");
  CHECK(failure<int>("1 2") == "not JSON: expected nothing more at byte 2");
  CHECK(failure<int>("01") == "not JSON: expected nothing more at byte 1");
  CHECK(failure<int>("-") == "not JSON: expected a digit at the end");
  CHECK(failure<double>("1.e5") == "not JSON: expected a digit at byte 2");
  CHECK(failure<double>("1e") == "not JSON: expected a digit at the end");
  CHECK(failure<double>("nan") == "not JSON: expected a number at byte 0");
  CHECK(failure<bool>("truf") == "not JSON: expected a boolean at byte 0");
  CHECK(failure<std::vector<int>>("[1 2]") == "not JSON: expected ',' or ']' at byte 3");
  CHECK(failure<std::vector<int>>("[1,]") == "[1]: not JSON: expected an integer at byte 3");
  CHECK(failure<item>("{\"name\" 1}") == "not JSON: expected ':' at byte 8");
  CHECK(failure<item>("{,}") == "not JSON: expected a key at byte 1");
  CHECK(failure<std::string>("\"a\nb\"") == "not JSON: expected no control character at byte 2");
  CHECK(failure<std::string>("\"a") == "not JSON: expected '\"' at the end");
  CHECK(failure<std::string>(R"("\x")") == "not JSON: expected an escape at byte 2");
  CHECK(failure<std::string>(R"("\u12g4")") ==
        "not JSON: expected four hexadecimal digits at byte 3");
  CHECK(failure<boost::json::value>("") == "the message is empty");
  CHECK(failure<boost::json::value>("[1,") == "not JSON: incomplete JSON");
  CHECK(failure<boost::json::value>("[1] 2") == "not JSON: expected nothing more at byte 4");
  CHECK(failure<boost::json::object>("[1]") == "expected an object, got an array");
}

TEST_CASE("any bytes travel in a string")
{
  std::string all;
  for (int byte = 0; byte != 256; ++byte) all += static_cast<char>(byte);
  for (std::size_t size = 0; size != all.size(); ++size) {
    const auto part = all.substr(all.size() - size);
    CHECK(decoded<std::string>(encoded(part)) == part);
    CHECK(decoded<std::string>(encoded(all.substr(0, size))) == all.substr(0, size));
    const boost::json::value value(part);
    CHECK(decoded<boost::json::value>(encoded(value)) == value);
  }
  const std::string large(100'000, 'x');
  CHECK(decoded<std::string>(encoded(large)) == large);
  CHECK(encoded(std::string("\"\\\b\f\n\r\t\x1f\x7f/")) == R"("\"\\\b\f\n\r\t\u001f)"
                                                           "\x7f/\"");
}

TEST_CASE("escapes of another writer are understood")
{
  CHECK(
      decoded<std::string>(R"("\/\u0041\u00e4\u20AC\ud83d\ude00")") == "/A\u00e4\u20ac\U0001f600");
  for (const auto* half : {R"("\ud800")", R"("\ud800x")", R"("\ud800\u0041")", R"("\udc00")"})
    CHECK(failure<std::string>(half).find("surrogate") != std::string::npos);
  CHECK(decoded<item>(R"({"na\u006de":"n","price":1})").name == "n");
}

TEST_CASE("enumerations travel by name where names are described, else as numbers")
{
  CHECK(encoded(color::green) == R"("green")");
  CHECK(failure<color>(R"("blue")") == R"(unknown name "blue")");
  CHECK(failure<color>("1") == "expected a string, got a number");
  CHECK_THROWS_AS(encoded(color(7)), std::system_error);
  CHECK(decoded<level>("7") == level(7));
  CHECK(failure<level>("256") == "expected an integer from 0 to 255, got 256");
}

TEST_CASE("a variant tells its kind, before or after the value")
{
  using choice = std::variant<std::monostate, bool, std::int8_t, std::uint64_t, double, std::string,
      color, tree, std::map<std::string, int>>;
  const auto form = [](choice value) { return encoded(value); };
  CHECK(form(choice()) == R"({"type":"null","value":null})");
  CHECK(form(true) == R"({"type":"bool","value":true})");
  CHECK(form(std::int8_t(1)) == R"({"type":"int8","value":1})");
  CHECK(form(std::uint64_t(1)) == R"({"type":"uint64","value":1})");
  CHECK(form(1.0) == R"({"type":"double","value":1})");
  CHECK(form("s") == R"({"type":"string","value":"s"})");
  CHECK(form(color::red) == R"({"type":"color","value":"red"})");
  CHECK(form(tree()) == R"({"type":"tree","value":{"id":0,"name":"","children":[]}})");
  CHECK(form(std::map<std::string, int>()) == R"({"type":"object","value":{}})");

  CHECK(decoded<choice>(R"({"value":"s","type":"string"})") == choice("s"));
  CHECK(decoded<choice>(R"({"type":"null"})") == choice());
  CHECK(
      decoded<choice>(R"({"more":1,"type":"int8","value":2,"less":{}})") == choice(std::int8_t(2)));
  CHECK(decoded<choice>(R"({"type":"int8","value":2,"type":"double"})") == choice(2.0));
  CHECK(decoded<choice>(R"({"type":"int8","value":2,"value":3})") == choice(std::int8_t(3)));
  CHECK(failure<choice>(R"({"type":"int9","value":2})") == R"(type: unknown type "int9")");
  CHECK(failure<choice>(R"({"value":2})") == "type: missing");
  CHECK(failure<choice>(R"({"type":"int8"})") == "value: missing");
  CHECK(failure<choice>(R"({"value":300,"type":"int8"})") ==
        "value: expected an integer from -128 to 127, got 300");
  CHECK(failure<choice>(R"({"type":"tree","value":{"id":true}})") ==
        "value.id: expected an integer, got a boolean");
}

TEST_CASE("arrays of a fixed length have just that length")
{
  using three = std::array<int, 3>;
  CHECK(decoded<three>("[1,2,3]") == three{1, 2, 3});
  CHECK(failure<three>("[1,2]") == "expected 3 elements, got 2");
  CHECK(failure<three>("[1,2,3,4]") == "expected 3 elements, got more");
  CHECK(failure<std::pair<int, int>>("[]") == "expected 2 elements, got 0");
  CHECK(failure<std::tuple<int, bool>>("[1,2]") == "[1]: expected a boolean, got a number");
  CHECK(encoded(std::array<int, 0>()) == "[]");
  CHECK(failure<std::array<int, 0>>("[1]") == "expected 0 elements, got more");
}

TEST_CASE("bytes travel in strict base64")
{
  using bytes = std::vector<std::byte>;
  for (std::size_t size = 0; size != 700; ++size) {
    bytes sent;
    for (std::size_t i = 0; i != size; ++i) sent.push_back(static_cast<std::byte>(i * 37 + size));
    CHECK(decoded<bytes>(encoded(sent)) == sent);
  }
  CHECK(encoded(bytes{std::byte('f'), std::byte('o'), std::byte('o'), std::byte('b')}) ==
        R"("Zm9vYg==")");
  CHECK(decoded<bytes>(R"("\/wA=")") == bytes{std::byte(0xff), std::byte(0)});
  for (const auto* bad : {"A", "AA", "AAA", "A===", "====", "AA=A", "AAA*",
           "AAAA=", "AB==", "AAB=", "AA==AAAA", "AA A"})
    CHECK(failure<bytes>('"' + std::string(bad) + '"') == "expected base64");
  CHECK(failure<std::array<std::byte, 2>>(R"("AAAA")") == "expected base64 of 2 bytes");
  CHECK(failure<std::array<std::byte, 2>>(R"("AA==")") == "expected base64 of 2 bytes");
}

TEST_CASE("nesting ends where the limit is, for both sides and all types")
{
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  const auto deep_tree = [](int depth) {
    tree root;
    for (int i = 1; i < depth; ++i) {
      tree outer;
      outer.children.push_back(std::move(root));
      root = std::move(outer);
    }
    return root;
  };
  const auto within = decoded<boost::json::value>(nested(32));
  CHECK(encoded(within) == nested(32));
  CHECK(failure<boost::json::value>(nested(33)) == "nested too deeply");
  CHECK_THROWS_AS(encoded(boost::json::array{within}), std::system_error);
  CHECK_THROWS_AS(encoded(boost::json::object{{"k", within}}), std::system_error);
  CHECK_THROWS_AS(encoded(std::vector<boost::json::value>{within}), std::system_error);
  CHECK(failure<std::vector<boost::json::value>>(nested(33)) == "[0]: nested too deeply");
  CHECK(decoded<std::vector<boost::json::value>>(nested(32)).size() == 1);

  // Each is an object and an array, the last array too.
  CHECK(encoded(decoded<tree>(encoded(deep_tree(16)))) == encoded(deep_tree(16)));
  CHECK_THROWS_AS(encoded(deep_tree(17)), std::system_error);
  const std::string unknown = R"({"id":1,"name":"","children":[],"new":)";
  CHECK(decoded<tree>(unknown + nested(31) + "}").id == 1);
  CHECK(failure<tree>(unknown + nested(32) + "}") == "nested too deeply");
  CHECK(failure<tree>(unknown + std::string(1'000'000, '[')) == "nested too deeply");
}

TEST_CASE("boost::json types come back with the kinds of their numbers")
{
  boost::json::object sent = {{"int", -1}, {"unsigned", std::numeric_limits<std::uint64_t>::max()},
      {"double", 1.0}, {"zero", -0.0}, {"infinity", std::numeric_limits<double>::infinity()},
      {"text", "t"}, {"none", nullptr}, {"yes", true}, {"list", {1, "x"}}};
  const auto read = decoded<boost::json::object>(encoded(sent));
  CHECK(read == sent);
  CHECK(std::signbit(read.at("zero").as_double()));
  CHECK(encoded(boost::json::value{1.0, -0.0, 1e300, std::nan("")}) == "[1.0,-0.0,1e+300,null]");
  CHECK(decoded<boost::json::string>(R"("s")") == "s");
  CHECK(decoded<boost::json::array>("[1]").size() == 1);
  CHECK(decoded<boost::json::value>(R"({"a":1,"a":2})").at("a") == 2);
  CHECK(decoded<boost::json::value>("-0").as_double() == 0);
}

TEST_CASE("what JSON could not give back is not supported")
{
  CHECK(json_codec::supports<everything>);
  CHECK(json_codec::supports<tree>);
  CHECK_FALSE(json_codec::supports<std::thread>);
  CHECK_FALSE(json_codec::supports<holds_thread>);
  CHECK_FALSE(json_codec::supports<std::vector<std::string_view>>);
  CHECK_FALSE(json_codec::supports<const char*>);
  CHECK_FALSE(json_codec::supports<std::optional<std::optional<int>>>);
  CHECK_FALSE(json_codec::supports<std::optional<std::monostate>>);
  CHECK_FALSE(json_codec::supports<std::variant<std::vector<int>, std::list<int>>>);
  CHECK_FALSE(json_codec::supports<long double>);
  CHECK_FALSE(json_codec::supports<open_enum>);
  CHECK_FALSE(json_codec::supports<shadowed>);
  CHECK_FALSE(json_codec::supports<fixed>);
}

TEST_CASE("a document has no schema, a struct has")
{
  CHECK(json_codec::schema<boost::json::value>() == 0);
  CHECK(json_codec::schema<boost::json::object>() == 0);
  CHECK(json_codec::schema<item>() == cohort::schema_of<item>());
  CHECK_FALSE(json_codec::exact_schema);
}

} // namespace json_test
