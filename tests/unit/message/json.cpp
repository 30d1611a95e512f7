// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <doctest/doctest.h>

#include "support/described_types.hpp"

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

struct holds_thread {
  std::vector<std::optional<std::thread>> threads;
};
BOOST_DESCRIBE_STRUCT(holds_thread, (), (threads))

using cohort::json_codec;
using cohort_test::item;

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
}

TEST_CASE("any bytes travel in base64")
{
  using bytes = std::vector<std::byte>;
  for (std::size_t size = 0; size != 700; ++size) {
    bytes sent;
    for (std::size_t i = 0; i != size; ++i) sent.push_back(static_cast<std::byte>(i * 37 + size));
    CHECK(decoded<bytes>(encoded(sent)) == sent);
  }
}

TEST_CASE("boost::json types come back with the kinds of their numbers")
{
  boost::json::object sent = {{"int", -1}, {"unsigned", std::numeric_limits<std::uint64_t>::max()},
      {"double", 1.0}, {"zero", -0.0}, {"infinity", std::numeric_limits<double>::infinity()},
      {"text", "t"}, {"none", nullptr}, {"yes", true}, {"list", {1, "x"}}};
  const auto read = decoded<boost::json::object>(encoded(sent));
  CHECK(read == sent);
  CHECK(std::signbit(read.at("zero").as_double()));
}

TEST_CASE("a message is the whole text, and its errors tell where they are")
{
  CHECK(decoded<item>(" {\n\"name\" :\t\"n\" ,\r\n \"price\":1.5 } \n") == item{"n", 1.5});
  CHECK(failure<item>("") == "the message is empty");
  CHECK(failure<item>(R"({"name":"n"})") == "price: missing");
  CHECK(failure<std::vector<item>>(R"([{"name":"n","price":1}] 2)") ==
        "not JSON: expected nothing more at byte 25");
  CHECK(failure<boost::json::value>("[1] 2") == "not JSON: expected nothing more at byte 4");
}

TEST_CASE("a message that is nested too deeply is neither encoded nor decoded")
{
  const std::string nested = std::string(33, '[') + std::string(33, ']');
  CHECK(failure<boost::json::value>(nested) == "nested too deeply");
  const auto within = decoded<boost::json::value>(nested.substr(1, 64));
  CHECK(encoded(within) == nested.substr(1, 64));
  CHECK_THROWS_AS(encoded(boost::json::array{within}), std::system_error);
  const auto deepest = cohort_test::tall_tree(16);
  CHECK(decoded<cohort_test::tree>(encoded(deepest)) == deepest);
}

TEST_CASE("the codec supports what JSON can give back")
{
  CHECK(cohort::codec_for<json_codec, everything>);
  CHECK(cohort::codec_for<json_codec, tree>);
  CHECK(cohort::codec_for<json_codec, boost::json::value>);
  CHECK_FALSE(json_codec::supports<holds_thread>);
  CHECK_FALSE(json_codec::supports<std::optional<std::optional<int>>>);
}

TEST_CASE("a document has no schema, a struct has")
{
  CHECK(json_codec::schema<boost::json::value>() == 0);
  CHECK(json_codec::schema<boost::json::object>() == 0);
  CHECK(json_codec::schema<item>() == cohort::schema_of<item>());
  CHECK_FALSE(json_codec::exact_schema);
}

} // namespace json_test
