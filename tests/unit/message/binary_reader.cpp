// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/binary_reader.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/described_types.hpp"

#include <boost/describe/class.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace binary_reader_test {

namespace {

using cohort::detail::binary_reader;
using cohort_test::color;
using cohort_test::item;
using cohort_test::level;
using cohort_test::nest;
using cohort_test::point;
using cohort_test::tree;
using cohort_test::weekday;
using numbers = std::initializer_list<int>;

std::vector<std::byte> raw(numbers given)
{
  std::vector<std::byte> bytes;
  for (int each : given) bytes.push_back(static_cast<std::byte>(each));
  return bytes;
}

/// False when the bytes are not such a value, and no others.
template <class T>
bool read_into(T& value, std::span<const std::byte> bytes, cohort::decode_error& error)
{
  binary_reader reader(bytes, error);
  return reader.read(value) && reader.finish();
}

template <class T>
T read(std::span<const std::byte> bytes)
{
  T value{};
  cohort::decode_error error;
  const bool done = read_into(value, bytes, error);
  REQUIRE_MESSAGE(done, error.message());
  return value;
}
template <class T>
T read(numbers bytes)
{
  return read<T>(raw(bytes));
}

/// The line that tells why the bytes are not such a value.
template <class T>
std::string refusal(std::span<const std::byte> bytes)
{
  T value{};
  cohort::decode_error error;
  if (read_into(value, bytes, error)) return "none";
  CHECK(error.code == cohort::error::invalid_message);
  return error.message();
}
template <class T>
std::string refusal(numbers bytes)
{
  return refusal<T>(raw(bytes));
}

} // namespace

TEST_CASE("each type is read from its layout")
{
  CHECK(read<item>({2, 0, 0, 0, 'a', 'b', 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}) == item{"ab", 1});
  CHECK(read<bool>({1}));
  CHECK(read<weekday>({7, 0, 0, 0}) == cohort_test::sunday);
  CHECK(read<std::vector<std::uint16_t>>({2, 0, 0, 0, 1, 0, 2, 0}) ==
        std::vector<std::uint16_t>{1, 2});
  CHECK(read<std::deque<char>>({2, 0, 0, 0, 1, 2}) == std::deque<char>{1, 2});
  CHECK(read<std::vector<bool>>({2, 0, 0, 0, 1, 0}) == std::vector<bool>{true, false});
  CHECK(read<std::u16string>({1, 0, 0, 0, 0xac, 0x20}) == u"\u20ac");
  CHECK(read<std::set<char>>({2, 0, 0, 0, 'b', 'a'}) == std::set<char>{'a', 'b'});
  CHECK(read<std::map<char, char>>({1, 0, 0, 0, 'a', 'b'}) == std::map<char, char>{{'a', 'b'}});
  CHECK(read<std::optional<char>>({0}) == std::nullopt);
  CHECK(read<std::optional<char>>({1, 'x'}) == 'x');
  CHECK(read<std::variant<int, char>>({1, 'x'}) == std::variant<int, char>('x'));
  CHECK(read<std::array<char, 2>>({'x', 'y'}) == std::array{'x', 'y'});
  CHECK(read<std::array<bool, 2>>({1, 0}) == std::array{true, false});
  CHECK(read<std::tuple<char, bool>>({'x', 0}) == std::tuple('x', false));
  CHECK(read<std::chrono::duration<std::int16_t>>({0xfe, 0xff}).count() == -2);
  CHECK(read<point>({1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}) == point{1, -1});
  CHECK(read<std::vector<std::monostate>>({2, 0, 0, 0, 0, 0}).size() == 2);
  CHECK(read<std::monostate>({}) == std::monostate());
  using time = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;
  CHECK(read<time>({2, 1, 0, 0, 0, 0, 0, 0}) == time(std::chrono::seconds(258)));
}

TEST_CASE("integers are read up to their limits")
{
  CHECK(read<std::int8_t>({0x80}) == -128);
  CHECK(read<std::uint8_t>({0xff}) == 255);
  CHECK(read<std::int16_t>({0xff, 0x7f}) == 32767);
  CHECK(read<char32_t>({0x01, 0x02, 0x03, 0x04}) == char32_t(0x04030201));
  const auto top = raw({0, 0, 0, 0, 0, 0, 0, 0x80});
  CHECK(read<std::int64_t>(top) == std::numeric_limits<std::int64_t>::min());
  CHECK(read<std::uint64_t>(std::vector(8, std::byte(0xff))) ==
        std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("floating point numbers are read bit for bit")
{
  CHECK(std::bit_cast<std::uint64_t>(read<double>({0, 0, 0, 0, 0, 0, 0, 0x80})) ==
        0x8000000000000000);
  CHECK(std::bit_cast<std::uint64_t>(read<double>({0x23, 1, 0, 0, 0, 0, 0xf8, 0x7f})) ==
        0x7ff8000000000123);
  CHECK(std::bit_cast<std::uint32_t>(read<float>({0x34, 0x12, 0xc0, 0x7f})) == 0x7fc01234u);
  CHECK(read<float>({0, 0, 0x80, 0xff}) == -std::numeric_limits<float>::infinity());
}

namespace {

struct with_defaults {
  std::vector<int> numbers = {1, 2};
  std::string text = "default";
  std::map<int, int> map = {{1, 1}};
  std::optional<int> maybe = 7;
  std::list<std::string> list = {"a"};
};
BOOST_DESCRIBE_STRUCT(with_defaults, (), (numbers, text, map, maybe, list))

/// Has padding at its end in which a class derived from it puts a member.
class padded {
public:
  int number = 1;
  char letter = 'a';

private:
  [[maybe_unused]] char unused_ = 0;
};
struct uses_padding : padded {
  char mine = 'm';
};
BOOST_DESCRIBE_STRUCT(uses_padding, (padded), (mine))

} // namespace

TEST_CASE("default values give way to what was sent")
{
  const auto back = read<with_defaults>(std::vector<std::byte>(4 + 4 + 4 + 1 + 4));
  CHECK(back.numbers.empty());
  CHECK(back.text.empty());
  CHECK(back.map.empty());
  CHECK_FALSE(back.maybe);
  CHECK(back.list.empty());
}

TEST_CASE("a base that is copied as bytes leaves alone what lies in its padding")
{
  std::vector<std::byte> bytes(sizeof(padded), std::byte('!'));
  const int sent = 5;
  std::memcpy(bytes.data(), &sent, sizeof sent);
  bytes.push_back(std::byte('n'));
  const auto back = read<uses_padding>(bytes);
  CHECK(back.number == 5);
  CHECK(back.letter == '!');
  CHECK(back.mine == 'n');
}

TEST_CASE("values are read one behind the other, and nothing may be left over")
{
  const auto bytes = raw({1, 2, 0, 3});
  cohort::decode_error error;
  binary_reader reader(bytes, error);
  std::uint8_t first = 0;
  std::uint16_t second = 0;
  CHECK(reader.read(first));
  CHECK(first == 1);
  CHECK(reader.read(second));
  CHECK(second == 2);
  CHECK_FALSE(reader.finish());
  CHECK(error.message() == "left over at the end: 1 byte");
}

// What is refused

TEST_CASE("bytes that end too early are refused wherever they end, and the place is told")
{
  using message = std::tuple<std::uint16_t, item, std::optional<std::int32_t>, std::vector<bool>,
      std::variant<std::monostate, std::pair<char, double>>, std::map<char, std::string>,
      std::array<weekday, 1>, point, long double>;
  const auto bytes = [] {
    auto made = raw({1, 2, 1, 0, 0, 0, 'n', 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 2, 0, 0, 0, 1, 0,
        1, 'c', 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'k', 1, 0, 0, 0, 'v', 1, 0, 0, 0});
    made.resize(made.size() + sizeof(point) + cohort::detail::value_bytes<long double>);
    return made;
  }();
  CHECK(std::get<5>(read<message>(bytes)).at('k') == "v");

  // From which size on it fails where.
  const std::map<std::size_t, std::string> places = {{0, "[0]: takes 2 bytes"},
      {2, "[1].name: takes 4 bytes"}, {6, "[1].name: a length of 1 does not fit"},
      {7, "[1].price: takes 8 bytes"}, {15, "[2]: takes 1 byte,"}, {16, "[2]: takes 4 bytes"},
      {20, "[3]: takes 4 bytes"}, {24, "[3]: a length of 2 does not fit"},
      {26, "[4]: takes 1 byte,"}, {27, "[4][0]: takes 1 byte,"}, {28, "[4][1]: takes 8 bytes"},
      {36, "[5]: takes 4 bytes"}, {40, "[5]: a length of 1 does not fit"},
      {45, "[5][0]: a length of 1 does not fit"}, {46, "[6][0]: takes 4 bytes"},
      {50, "[7]: takes 8 bytes"}, {58, "[8]: takes "}};
  for (std::size_t size = 0; size != bytes.size(); ++size) {
    // A copy of its own, so that a sanitizer sees a read past its end.
    const std::vector<std::byte> part(bytes.begin(), bytes.begin() + std::ptrdiff_t(size));
    const std::string line = refusal<message>(part);
    CAPTURE(size);
    CAPTURE(line);
    CHECK(line.starts_with(std::prev(places.upper_bound(size))->second));
  }
}

TEST_CASE("an error tells the member and what is wrong with it")
{
  const auto two_items = raw(
      {2, 0, 0, 0, 1, 0, 0, 0, 'a', 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'b', 0, 0, 0, 0, 0, 0, 0});
  CHECK(refusal<std::vector<item>>(two_items) == "[1].price: takes 8 bytes, left: 7 bytes");

  CHECK(refusal<tree>({1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0,
            0, 0, 5, 0, 0, 0}) ==
        "children[0].children[1].children: a length of 5 does not fit into what is left: 0 bytes");

  CHECK(refusal<std::map<char, std::pair<char, bool>>>({1, 0, 0, 0, 'a', 'b', 2}) ==
        "[0][1]: 2 is neither 0 nor 1");
}

TEST_CASE("flags are 0 or 1")
{
  CHECK(refusal<bool>({2}) == "2 is neither 0 nor 1");
  CHECK(refusal<std::optional<char>>({255, 'x'}) == "255 is neither 0 nor 1");
  CHECK(refusal<std::vector<bool>>({2, 0, 0, 0, 1, 3}) == "[1]: 3 is neither 0 nor 1");
}

TEST_CASE("a variant has only its own alternatives")
{
  CHECK(refusal<std::variant<int, char>>({2, 0}) == "there is no alternative 2");
  CHECK(refusal<std::variant<int, char>>({255, 0}) == "there is no alternative 255");
}

TEST_CASE("an enumeration has only the values that its type allows")
{
  CHECK(read<weekday>({0, 0, 0, 0}) == weekday(0));
  CHECK(refusal<weekday>({8, 0, 0, 0}) == "8 is out of range");
  CHECK(read<level>({0xfe, 0xff, 0xff, 0xff}) == level(-2));
  CHECK(refusal<level>({0xfd, 0xff, 0xff, 0xff}) == "-3 is out of range");
  CHECK(refusal<level>({2, 0, 0, 0}) == "2 is out of range");
  CHECK(read<color>({200}) == color(200));
  enum class truth : bool {};
  CHECK(read<truth>({1}) == truth(true));
  CHECK(refusal<truth>({2}) == "2 is neither 0 nor 1");
  CHECK(refusal<std::vector<weekday>>({1, 0, 0, 0, 8, 0, 0, 0}) == "[0]: 8 is out of range");
}

TEST_CASE("a key that comes twice is refused where it can be there once")
{
  CHECK(refusal<std::set<char>>({2, 0, 0, 0, 'a', 'a'}) == "[1]: the same key is there twice");
  CHECK(refusal<std::unordered_map<char, char>>({2, 0, 0, 0, 'a', 1, 'a', 2}) ==
        "[1]: the same key is there twice");
  CHECK(read<std::multiset<char>>({2, 0, 0, 0, 'a', 'a'}).size() == 2);
  const auto twice = read<std::multimap<char, char>>({2, 0, 0, 0, 'a', 1, 'a', 2});
  CHECK(twice == std::multimap<char, char>{{'a', 1}, {'a', 2}});
}

TEST_CASE("an element that takes no byte is one zero, and nothing else")
{
  CHECK(refusal<std::vector<std::monostate>>({2, 0, 0, 0, 0, 1}) ==
        "[1]: 1 is not the zero of an empty element");
  CHECK(refusal<std::multiset<std::monostate>>({2, 0, 0, 0, 0, 9}) ==
        "[1]: 9 is not the zero of an empty element");
}

TEST_CASE("structs and containers are read 128 levels deep and no deeper")
{
  const auto tower = [](int height, numbers above, numbers top) {
    std::vector<std::byte> bytes;
    for (int i = 1; i < height; ++i)
      for (const int each : above) bytes.push_back(static_cast<std::byte>(each));
    for (const int each : top) bytes.push_back(static_cast<std::byte>(each));
    return bytes;
  };
  // Each is a struct and a vector.
  const auto trees = [&](int height) {
    return tower(height, {0, 0, 0, 0, 1, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0});
  };
  CHECK(read<tree>(trees(64)) == cohort_test::tall_tree(64));
  CHECK(refusal<tree>(trees(65)).ends_with("children[0]: nested more than 128 levels deep"));
  CHECK(refusal<tree>(trees(100'000)).starts_with("children[0].children[0]."));

  const auto nests = [&](int depth) { return tower(depth, {1, 0, 0, 0}, {0, 0, 0, 0}); };
  CHECK(read<nest>(nests(128)).size() == 1);
  CHECK(refusal<nest>(nests(129)).ends_with("[0][0]: nested more than 128 levels deep"));
  CHECK(refusal<nest>(nests(100'000)).ends_with("[0][0]: nested more than 128 levels deep"));

  // One beside the other is no level more.
  std::vector<std::byte> wide(8 + 1000 * 8);
  wide[4] = std::byte(1000 & 0xff);
  wide[5] = std::byte(1000 >> 8);
  CHECK(read<tree>(wide).children.size() == 1000);
}

// Memory

TEST_CASE("a length is no reason to allocate more than there are bytes")
{
  const auto check = []<class T>(std::type_identity<T>) {
    const auto bytes = raw({0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    T value{};
    cohort::decode_error error;
    error.reason.reserve(200);
    const auto allocated =
        cohort_test::allocations_of([&] { CHECK_FALSE(read_into(value, bytes, error)); });
    CHECK(allocated.bytes < 4096);
    CHECK(error.reason == "a length of 4294967295 does not fit into what is left: 12 bytes");
  };
  check(std::type_identity<std::string>());
  check(std::type_identity<std::vector<double>>());
  check(std::type_identity<std::vector<item>>());
  check(std::type_identity<std::vector<bool>>());
  check(std::type_identity<std::vector<std::monostate>>());
  check(std::type_identity<std::vector<std::array<int, 0>>>());
  check(std::type_identity<std::list<std::tuple<>>>());
  check(std::type_identity<std::unordered_map<int, int>>());
  check(std::type_identity<std::set<std::monostate>>());
}

TEST_CASE("memory for elements is reserved only as far as bytes of them are there")
{
  using large = std::optional<std::array<char, 1024>>;
  std::vector<std::byte> bytes(4 + 2000);
  bytes[0] = std::byte(1000 & 0xff);
  bytes[1] = std::byte(1000 >> 8);
  bytes[4] = std::byte(2);
  const auto check = [&]<class T>(std::type_identity<T>) {
    T value;
    cohort::decode_error error;
    const auto allocated =
        cohort_test::allocations_of([&] { CHECK_FALSE(read_into(value, bytes, error)); });
    CHECK(allocated.bytes < 4096);
    CHECK(error.path == "[0]");
  };
  check(std::type_identity<std::vector<large>>());
  check(std::type_identity<std::unordered_map<bool, large>>());
}

TEST_CASE("reading allocates only what the value consists of")
{
  using flat = std::tuple<int, std::array<double, 4>, std::optional<point>,
      std::variant<bool, std::chrono::seconds>, std::string>;
  flat value;
  std::vector<std::byte> bytes(4 + 4 * 8 + 1 + 8 + 1 + 8 + 4 + 5);
  bytes[36] = bytes[45] = std::byte(1);
  bytes[54] = std::byte(5);
  cohort::decode_error error;
  auto allocated = cohort_test::allocations_of([&] { CHECK(read_into(value, bytes, error)); });
  CHECK(allocated.count == 0);
  CHECK(std::get<4>(value).size() == 5);

  std::vector<int> list;
  bytes.assign(4 + 1000 * sizeof(int), std::byte(0));
  bytes[0] = std::byte(1000 & 0xff);
  bytes[1] = std::byte(1000 >> 8);
  allocated = cohort_test::allocations_of([&] { CHECK(read_into(list, bytes, error)); });
  CHECK(allocated.count == 1);
  CHECK(allocated.bytes == 1000 * sizeof(int));
}

} // namespace binary_reader_test
