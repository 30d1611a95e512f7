// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/binary.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <cohort/error.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace binary_test {

namespace {

using cohort::binary_codec;

// Messages

enum class color : std::uint8_t { red, green };
enum weekday { monday = 1, sunday = 7 };
BOOST_DESCRIBE_ENUM(weekday, monday, sunday)
enum level { below = -1, above = 1 };
BOOST_DESCRIBE_ENUM(level, below, above)

struct item {
  std::string name;
  double price = 0;
  bool operator==(const item&) const = default;
};
BOOST_DESCRIBE_STRUCT(item, (), (name, price))

struct tree {
  int value = 0;
  std::vector<tree> children;
  bool operator==(const tree&) const = default;
};
BOOST_DESCRIBE_STRUCT(tree, (), (value, children))

/// Trivially copyable and not described.
struct point {
  std::int32_t x;
  std::int32_t y;
  bool operator==(const point&) const = default;
};

struct customer {
  std::string name;
  std::uint16_t number = 0;
  bool operator==(const customer&) const = default;
};
BOOST_DESCRIBE_STRUCT(customer, (), (name, number))

struct order : customer {
  bool paid = false;
  color paint = color::red;
  weekday day = monday;
  float weight = 0;
  std::vector<item> items;
  std::vector<std::uint32_t> codes;
  std::array<std::uint16_t, 3> sizes{};
  std::array<item, 2> gifts;
  char text[4] = {};
  std::vector<bool> bits;
  std::deque<std::int64_t> steps;
  std::list<std::string> notes;
  std::set<std::string> tags;
  std::multiset<int> repeated;
  std::map<std::string, item> named;
  std::unordered_map<int, std::string> numbered;
  std::unordered_set<std::string> seen;
  std::pair<int, std::string> both;
  std::tuple<bool, color, std::string> three;
  std::optional<tree> maybe;
  std::variant<std::monostate, int, std::string, item> any;
  std::chrono::milliseconds span{};
  std::chrono::system_clock::time_point when;
  std::vector<point> points;
  point corner{};
  std::vector<std::byte> data;
  std::u16string wide;
  std::vector<std::monostate> nothing;
  long double precise = 0;
  bool operator==(const order&) const = default;
};
BOOST_DESCRIBE_STRUCT(order, (customer),
    (paid, paint, day, weight, items, codes, sizes, gifts, text, bits, steps, notes, tags, repeated,
        named, numbered, seen, both, three, maybe, any, span, when, points, corner, data, wide,
        nothing, precise))

order sample_order()
{
  order made;
  made.customer::name = "Ada";
  made.number = 513;
  made.paid = true;
  made.paint = color::green;
  made.day = weekday(3);
  made.weight = 1.25F;
  made.items = {{"pen", 1.5}, {"", -0.0}, {"desk", 1e300}};
  made.codes = {1, 2, 0xffffffff};
  made.sizes = {7, 8, 9};
  made.gifts = {item{"a", 1}, item{"b", 2}};
  std::memcpy(made.text, "abc", 4);
  made.bits = {true, false, true};
  made.steps = {-1, std::numeric_limits<std::int64_t>::min()};
  made.notes = {"first", ""};
  made.tags = {"x", "y"};
  made.repeated = {3, 3, 4};
  made.named = {{"k", {"v", 2}}, {"l", {"w", 3}}};
  made.numbered = {{-5, "minus five"}};
  made.seen = {"once"};
  made.both = {9, "nine"};
  made.three = {true, color::green, "three"};
  made.maybe = tree{1, {tree{2, {}}, tree{3, {tree{4, {}}}}}};
  made.any = item{"any", 4};
  made.span = std::chrono::milliseconds(-12);
  made.when = std::chrono::system_clock::time_point(std::chrono::seconds(1700000000));
  made.points = {{1, 2}, {3, 4}};
  made.corner = {-1, -2};
  made.data = {std::byte(0), std::byte(255)};
  made.wide = u"wide";
  made.nothing.resize(2);
  made.precise = 1.0L / 3;
  return made;
}

// Encoding and decoding

template <class Message>
std::vector<std::byte> encoded(Message&& message)
{
  cohort::byte_sink sink;
  binary_codec::encode(std::forward<Message>(message), sink);
  CHECK(sink.size() == sink.bytes().size());
  return sink.bytes();
}

template <class Message>
std::optional<Message> decoded(std::span<const std::byte> bytes)
{
  cohort::decode_error error;
  auto message = binary_codec::decode<Message>(bytes, error);
  CHECK(message.has_value() == !error.code);
  CHECK(message.has_value() == error.reason.empty());
  if (!message) CHECK(error.code == cohort::error::invalid_message);
  return message;
}

/// The line that tells why the bytes are not such a message.
template <class Message>
std::string refusal(std::span<const std::byte> bytes)
{
  cohort::decode_error error;
  if (binary_codec::decode<Message>(bytes, error)) return "none";
  CHECK(error.code == cohort::error::invalid_message);
  return error.message();
}

template <class Message>
void check_round_trip(const Message& message)
{
  const std::vector<std::byte> bytes = encoded(message);
  const std::optional<Message> back = decoded<Message>(bytes);
  REQUIRE(back);
  CHECK(*back == message);
  CHECK(encoded(Message(message)) == bytes);
}

std::vector<std::byte> raw(std::initializer_list<int> numbers)
{
  std::vector<std::byte> bytes;
  for (int each : numbers) bytes.push_back(static_cast<std::byte>(each));
  return bytes;
}

const void* address(const void* pointer) { return pointer; }

} // namespace

TEST_CASE("everything that a message may consist of comes back")
{
  check_round_trip(sample_order());
  check_round_trip(order());
}

TEST_CASE("a message need not be a described class")
{
  check_round_trip(true);
  check_round_trip(std::int8_t(-3));
  check_round_trip(std::numeric_limits<std::uint64_t>::max());
  check_round_trip(std::string("text\0with zeros", 15));
  check_round_trip(std::vector<std::vector<int>>{{1, 2}, {}, {3}});
  check_round_trip(std::optional<std::optional<int>>(std::optional<int>()));
  check_round_trip(std::unordered_multimap<int, int>{{1, 2}, {1, 2}});
  check_round_trip(point{1, 2});
  check_round_trip(std::monostate());
  check_round_trip(sunday);
  check_round_trip(below);
}

TEST_CASE("floating point numbers come back bit for bit")
{
  for (const auto bits : std::initializer_list<std::uint64_t>{0x0000000000000000u,
           0x8000000000000000u, 0x0000000000000001u, 0x7ff0000000000000u, 0x7ff8000000000123u,
           0xfff8000000000000u, 0x3fb999999999999au}) {
    const auto back = decoded<double>(encoded(std::bit_cast<double>(bits)));
    REQUIRE(back);
    CHECK(std::bit_cast<std::uint64_t>(*back) == bits);
  }
  const auto back = decoded<float>(encoded(std::bit_cast<float>(0x7fc01234u)));
  REQUIRE(back);
  CHECK(std::bit_cast<std::uint32_t>(*back) == 0x7fc01234u);
}

TEST_CASE("the layout of the bytes is fixed")
{
  CHECK(encoded(item{"ab", 1.0}) == raw({2, 0, 0, 0, 'a', 'b', 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}));
  CHECK(encoded(std::int32_t(-2)) == raw({0xfe, 0xff, 0xff, 0xff}));
  CHECK(encoded(true) == raw({1}));
  CHECK(encoded(sunday) == raw({7, 0, 0, 0}));
  CHECK(encoded(std::vector<std::uint16_t>{1, 2}) == raw({2, 0, 0, 0, 1, 0, 2, 0}));
  CHECK(encoded(std::vector<bool>{true, false}) == raw({2, 0, 0, 0, 1, 0}));
  CHECK(encoded(std::map<char, char>{{'a', 'b'}}) == raw({1, 0, 0, 0, 'a', 'b'}));
  CHECK(encoded(std::optional<char>()) == raw({0}));
  CHECK(encoded(std::optional<char>('x')) == raw({1, 'x'}));
  CHECK(encoded(std::variant<int, char>('x')) == raw({1, 'x'}));
  CHECK(encoded(std::array<char, 2>{'x', 'y'}) == raw({'x', 'y'}));
  CHECK(encoded(std::tuple<char, bool>('x', false)) == raw({'x', 0}));
  CHECK(encoded(std::monostate()).empty());
  CHECK(encoded(std::vector<std::monostate>(2)) == raw({2, 0, 0, 0, 0, 0}));
}

namespace {

class secret_base {
public:
  int hidden() const { return hidden_; }
  void hide(int value) { hidden_ = value; }

private:
  int hidden_ = 0;
  BOOST_DESCRIBE_CLASS(secret_base, (), (), (), (hidden_))
};

class secret : secret_base {
public:
  using secret_base::hidden;
  using secret_base::hide;
  std::string shown;

protected:
  std::string guarded_ = "guarded";
  BOOST_DESCRIBE_CLASS(secret, (secret_base), (shown), (guarded_), ())
};

} // namespace

TEST_CASE("members and bases of any access are sent")
{
  secret made;
  made.hide(42);
  made.shown = "shown";
  const auto back = decoded<secret>(encoded(made));
  REQUIRE(back);
  CHECK(back->hidden() == 42);
  CHECK(back->shown == "shown");
  CHECK(encoded(*back) == encoded(std::move(made)));
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
  with_defaults sent;
  sent.numbers.clear();
  sent.text.clear();
  sent.map.clear();
  sent.maybe.reset();
  sent.list.clear();
  const auto back = decoded<with_defaults>(encoded(sent));
  REQUIRE(back);
  CHECK(back->numbers.empty());
  CHECK(back->text.empty());
  CHECK(back->map.empty());
  CHECK_FALSE(back->maybe);
  CHECK(back->list.empty());
}

TEST_CASE("a base that is copied as bytes leaves alone what lies in its padding")
{
  uses_padding sent;
  sent.number = 5;
  std::vector<std::byte> bytes = encoded(sent);
  for (std::size_t i = sizeof(int) + 2; i != sizeof(padded); ++i) bytes[i] = std::byte('!');
  const auto back = decoded<uses_padding>(bytes);
  REQUIRE(back);
  CHECK(back->number == 5);
  CHECK(back->mine == 'm');
}

TEST_CASE("a part of a message is no message, wherever it ends")
{
  const std::vector<std::byte> bytes = encoded(sample_order());
  for (std::size_t size = 0; size != bytes.size(); ++size) {
    // A copy of its own, so that a sanitizer sees a read past its end.
    const std::vector<std::byte> part(bytes.begin(), bytes.begin() + std::ptrdiff_t(size));
    CHECK_FALSE(decoded<order>(part));
  }
}

TEST_CASE("bytes that are left over are an error")
{
  std::vector<std::byte> bytes = encoded(item{"pen", 1});
  bytes.push_back(std::byte(0));
  CHECK(refusal<item>(bytes) == "left over at the end: 1 byte");
  CHECK(refusal<std::monostate>(raw({0, 0})) == "left over at the end: 2 bytes");
}

TEST_CASE("a message is read from any address")
{
  const order sent = sample_order();
  std::vector<std::byte> bytes = encoded(sent);
  bytes.insert(bytes.begin(), std::byte(0));
  const auto back = decoded<order>(std::span(bytes).subspan(1));
  REQUIRE(back);
  CHECK(*back == sent);
}

TEST_CASE("wrong bytes anywhere do no harm")
{
  const std::vector<std::byte> bytes = encoded(sample_order());
  for (std::size_t i = 0; i != bytes.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff, 0x55}) {
      std::vector<std::byte> wrong = bytes;
      wrong[i] ^= static_cast<std::byte>(mask);
      if (auto message = decoded<order>(wrong)) CHECK(encoded(*message).size() == bytes.size());
    }
  }
}

TEST_CASE("random bytes do no harm")
{
  std::mt19937 random(20240601);
  for (int round = 0; round != 5000; ++round) {
    std::vector<std::byte> bytes(random() % 64);
    // Small numbers, so that lengths and indexes are often possible.
    for (std::byte& each : bytes)
      each = static_cast<std::byte>(random() % 4 == 0 ? random() % 256 : random() % 3);
    decoded<tree>(bytes);
    decoded<std::vector<std::variant<item, tree, bool>>>(bytes);
    decoded<std::map<std::string, std::optional<std::vector<bool>>>>(bytes);
  }
}

namespace {

class random_orders {
public:
  order operator()()
  {
    order made = sample_order();
    made.customer::name = text();
    made.number = static_cast<std::uint16_t>(number());
    made.paid = number() % 2 == 0;
    made.weight = static_cast<float>(number());
    fill(made.items, [this] { return item{text(), static_cast<double>(number()) / 7}; });
    fill(made.codes, [this] { return static_cast<std::uint32_t>(number()); });
    fill(made.bits, [this] { return number() % 2 == 0; });
    made.tags.clear();
    for (unsigned i = number() % 5; i != 0; --i) made.tags.insert(text());
    made.numbered.clear();
    for (unsigned i = number() % 5; i != 0; --i) made.numbered[int(number())] = text();
    made.maybe.reset();
    if (number() % 2 == 0) made.maybe = grow(0);
    switch (number() % 4) {
    case 0: made.any = std::monostate(); break;
    case 1: made.any = static_cast<int>(number()); break;
    case 2: made.any = text(); break;
    default: made.any = item{text(), 1};
    }
    fill(made.data, [this] { return static_cast<std::byte>(number()); });
    return made;
  }

private:
  unsigned number() { return static_cast<unsigned>(random_()); }
  std::string text()
  {
    std::string made;
    fill(made, [this] { return static_cast<char>(number()); });
    return made;
  }

  template <class Container, class Make>
  void fill(Container& container, Make make)
  {
    container.clear();
    for (unsigned i = number() % 9; i != 0; --i) container.push_back(make());
  }

  tree grow(int height)
  {
    tree made{static_cast<int>(number()), {}};
    if (height != 5)
      for (unsigned i = number() % 3; i != 0; --i) made.children.push_back(grow(height + 1));
    return made;
  }

  std::mt19937 random_{7};
};

} // namespace

TEST_CASE("random messages come back")
{
  random_orders next;
  for (int round = 0; round != 300; ++round) check_round_trip(next());
}

// What is refused

TEST_CASE("an error tells the member and what is wrong with it")
{
  std::vector<std::byte> bytes = encoded(std::vector<item>{{"a", 1}, {"b", 2}});
  bytes.pop_back();
  CHECK(refusal<std::vector<item>>(bytes) == "[1].price: takes 8 bytes, left: 7 bytes");

  bytes = encoded(tree{1, {tree{2, {tree{3, {}}, tree{4, {}}}}}});
  bytes[bytes.size() - 4] = std::byte(5);
  CHECK(refusal<tree>(bytes) ==
        "children[0].children[1].children: a length of 5 does not fit into what is left: 0 bytes");

  CHECK(refusal<std::map<char, std::pair<char, bool>>>(raw({1, 0, 0, 0, 'a', 'b', 2})) ==
        "[0][1]: 2 is neither 0 nor 1");
}

TEST_CASE("flags are 0 or 1")
{
  CHECK(refusal<bool>(raw({2})) == "2 is neither 0 nor 1");
  CHECK(refusal<std::optional<char>>(raw({255, 'x'})) == "255 is neither 0 nor 1");
  CHECK(refusal<std::vector<bool>>(raw({2, 0, 0, 0, 1, 3})) == "[1]: 3 is neither 0 nor 1");
}

TEST_CASE("a variant has only its own alternatives")
{
  CHECK(refusal<std::variant<int, char>>(raw({2, 0})) == "there is no alternative 2");
}

TEST_CASE("an enumeration without an underlying type has only the values of its range")
{
  CHECK(decoded<weekday>(raw({0, 0, 0, 0})) == weekday(0));
  CHECK(refusal<weekday>(raw({8, 0, 0, 0})) == "8 is out of range");
  CHECK(decoded<level>(raw({0xfe, 0xff, 0xff, 0xff})) == level(-2));
  CHECK(refusal<level>(raw({0xfd, 0xff, 0xff, 0xff})) == "-3 is out of range");
  CHECK(refusal<level>(raw({2, 0, 0, 0})) == "2 is out of range");
  CHECK(decoded<color>(raw({200})) == color(200));
}

TEST_CASE("a key that comes twice is refused where it can be there once")
{
  CHECK(refusal<std::set<char>>(raw({2, 0, 0, 0, 'a', 'a'})) == "[1]: the same key is there twice");
  CHECK(refusal<std::unordered_map<char, char>>(raw({2, 0, 0, 0, 'a', 1, 'a', 2})) ==
        "[1]: the same key is there twice");
  CHECK(decoded<std::multiset<char>>(raw({2, 0, 0, 0, 'a', 'a'})));
  CHECK(decoded<std::multimap<char, char>>(raw({2, 0, 0, 0, 'a', 1, 'a', 2})));
}

TEST_CASE("a length is no reason to allocate more than there are bytes")
{
  const auto check = []<class Message>(std::type_identity<Message>) {
    const auto bytes = raw({0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    cohort::decode_error error;
    error.reason.reserve(200);
    const auto allocated = cohort_test::allocations_of(
        [&] { CHECK_FALSE(binary_codec::decode<Message>(bytes, error)); });
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
  std::vector<std::byte> bytes(4 + 1000);
  cohort::detail::wire::store_little(bytes.data(), std::uint32_t(1000));
  bytes[4] = std::byte(2);
  cohort::decode_error error;
  const auto allocated = cohort_test::allocations_of(
      [&] { CHECK_FALSE(binary_codec::decode<std::vector<large>>(bytes, error)); });
  CHECK(allocated.bytes < 8192);
  CHECK(error.path == "[0]");
}

TEST_CASE("an element that takes no byte is one zero, and nothing else")
{
  CHECK(refusal<std::vector<std::monostate>>(raw({2, 0, 0, 0, 0, 1})) ==
        "[1]: 1 is not the zero of an empty element");
}

namespace {

struct nest : std::vector<nest> {};

tree tall_tree(int height)
{
  tree made;
  for (int i = 1; i < height; ++i) {
    tree above;
    above.children.push_back(std::move(made));
    made = std::move(above);
  }
  return made;
}

} // namespace

TEST_CASE("structs and containers lie inside each other 128 levels deep and no deeper")
{
  check_round_trip(tall_tree(64));
  cohort::byte_sink sink;
  CHECK_THROWS_AS(binary_codec::encode(tall_tree(65), sink), std::length_error);

  std::vector<std::byte> bytes;
  for (int i = 0; i != 100000; ++i)
    for (const int each : {0, 0, 0, 0, 1, 0, 0, 0}) bytes.push_back(static_cast<std::byte>(each));
  cohort::decode_error error;
  CHECK_FALSE(binary_codec::decode<tree>(bytes, error));
  CHECK(error.reason == "nested more than 128 levels deep");
  CHECK(error.path.starts_with("children[0].children[0]."));

  std::vector<std::byte> ones(400000);
  for (std::size_t i = 0; i < ones.size(); i += 4) ones[i] = std::byte(1);
  CHECK_FALSE(binary_codec::decode<nest>(ones, error));
  CHECK(error.reason == "nested more than 128 levels deep");
}

namespace {

struct fragile {
  fragile() = default;
  explicit fragile(int) { throw std::runtime_error("does not want to"); }
  std::string text;
};
BOOST_DESCRIBE_STRUCT(fragile, (), (text))

} // namespace

TEST_CASE("a variant that lost its value is not sent")
{
  std::variant<int, fragile> broken;
  CHECK_THROWS_AS(broken.emplace<fragile>(1), std::runtime_error);
  REQUIRE(broken.valueless_by_exception());
  cohort::byte_sink sink;
  CHECK_THROWS_AS(binary_codec::encode(broken, sink), std::bad_variant_access);
  CHECK(sink.size() == 0);
}

// Speed

TEST_CASE("large buffers that are given away travel without a copy")
{
  constexpr std::size_t large = 1024 * 1024;
  order sent = sample_order();
  sent.data.assign(large, std::byte(1));
  sent.items[1].name.assign(large, 'n');
  sent.codes.assign(large / 4, 2);
  sent.any = std::string(large, 'v');
  sent.maybe.reset();
  sent.notes.front().assign(large, 'f');
  const std::vector<std::byte> bytes = encoded(sent);
  const std::vector<const void*> places = {sent.items[1].name.data(), sent.codes.data(),
      sent.notes.front().data(), std::get<std::string>(sent.any).data(), sent.data.data()};

  cohort::byte_sink kept;
  binary_codec::encode(std::as_const(sent), kept);
  CHECK(kept.adopted().empty());
  binary_codec::encode(sent, kept);
  CHECK(kept.adopted().empty());
  CHECK(sent.data.size() == large);

  cohort::byte_sink sink;
  binary_codec::encode(std::move(sent), sink);
  REQUIRE(sink.adopted().size() == places.size());
  for (std::size_t i = 0; i != places.size(); ++i)
    CHECK(address(sink.adopted()[i].bytes.data()) == places[i]);
  CHECK(sink.copied().size() < 1000);
  CHECK((sink.bytes() == bytes));
}

TEST_CASE("encoding into a warmed sink allocates nothing")
{
  const order sent = sample_order();
  cohort::byte_sink sink;
  binary_codec::encode(sent, sink);
  sink.clear();
  const auto allocated = cohort_test::allocations_of([&] { binary_codec::encode(sent, sink); });
  CHECK(allocated.count == 0);
  CHECK(sink.size() == encoded(sent).size());
}

TEST_CASE("decoding allocates only what the message consists of")
{
  using flat = std::tuple<int, std::array<double, 4>, std::optional<point>,
      std::variant<bool, std::chrono::seconds>, std::string>;
  const auto bytes = encoded(flat(1, {1, 2, 3, 4}, point{1, 2}, std::chrono::seconds(1), "short"));
  cohort::decode_error error;
  std::optional<flat> back;
  auto allocated =
      cohort_test::allocations_of([&] { back = binary_codec::decode<flat>(bytes, error); });
  CHECK(back);
  CHECK(allocated.count == 0);

  const auto numbers = encoded(std::vector<int>(1000));
  allocated = cohort_test::allocations_of(
      [&] { CHECK(binary_codec::decode<std::vector<int>>(numbers, error)); });
  CHECK(allocated.count == 1);
  CHECK(allocated.bytes == 1000 * sizeof(int));
}

// What the compiler is told

namespace {

struct undescribed {
  std::string text;
};
struct constant {
  const int number = 1;
};
BOOST_DESCRIBE_STRUCT(constant, (), (number))
struct no_default {
  explicit no_default(int given) : number(given) {}
  int number;
};
BOOST_DESCRIBE_STRUCT(no_default, (), (number))
enum open_enumeration { one_value };

template <class Message>
constexpr bool supports = binary_codec::supports<Message>;

} // namespace

TEST_CASE("the codec supports what it can send, and tells what it cannot")
{
  CHECK(cohort::codec_for<binary_codec, order>);
  CHECK(cohort::codec_for<binary_codec, secret>);
  CHECK(supports<nest>);
  CHECK(supports<std::vector<std::byte>>);
  CHECK(supports<open_enumeration> == false);
  CHECK_FALSE(supports<undescribed>);
  CHECK_FALSE(supports<std::vector<undescribed>>);
  CHECK_FALSE(supports<constant>);
  CHECK_FALSE(supports<no_default>);
  CHECK_FALSE(supports<int*>);
  CHECK_FALSE(supports<int order::*>);
  CHECK_FALSE(supports<std::nullptr_t>);
  CHECK_FALSE(supports<const char*>);
  CHECK_FALSE(supports<std::string_view>);
  CHECK_FALSE(supports<std::span<int>>);
  CHECK_FALSE(supports<std::reference_wrapper<int>>);
  CHECK_FALSE(supports<std::unique_ptr<int>>);
  CHECK_FALSE(supports<std::shared_ptr<int>>);
  CHECK_FALSE(supports<std::map<int, std::pair<bool, int*>>>);
  CHECK_FALSE(supports<std::tuple<int&>>);
}

TEST_CASE("the binary schema is that of the type and of this version of the bytes")
{
  CHECK(binary_codec::exact_schema);
  CHECK(binary_codec::schema<item>() == (cohort::schema_of<item>() ^ '1'));
  CHECK(binary_codec::schema<item>() != binary_codec::schema<tree>());
}

} // namespace binary_test
