// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/binary.hpp>

#include <doctest/doctest.h>

#include "support/described_types.hpp"

#include <cohort/error.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
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
using cohort::byte_sink;
using cohort_test::color;
using cohort_test::item;
using cohort_test::point;
using cohort_test::tree;
using cohort_test::weekday;

// Messages

struct customer {
  std::string name;
  std::uint16_t number = 0;
  bool operator==(const customer&) const = default;
};
BOOST_DESCRIBE_STRUCT(customer, (), (name, number))

struct order : customer {
  bool paid = false;
  color paint = color::red;
  weekday day = cohort_test::monday;
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
  byte_sink sink;
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
  check_round_trip(cohort_test::sunday);
  check_round_trip(cohort_test::below);
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

TEST_CASE("a message that is nested too deeply is not encoded")
{
  byte_sink sink;
  CHECK_THROWS_AS(binary_codec::encode(cohort_test::tall_tree(65), sink), std::length_error);
}

TEST_CASE("a large buffer is kept when it is given away, and only then")
{
  std::string text(byte_sink::adopt_threshold, 't');
  byte_sink sink;
  binary_codec::encode(text, sink);
  CHECK(sink.adopted().empty());
  binary_codec::encode(std::move(text), sink);
  CHECK(sink.adopted().size() == 1);
}

TEST_CASE("the codec supports what it can send")
{
  CHECK(cohort::codec_for<binary_codec, order>);
  CHECK(cohort::codec_for<binary_codec, secret>);
  CHECK(cohort::codec_for<binary_codec, tree>);
  CHECK_FALSE(binary_codec::supports<std::string_view>);
  CHECK_FALSE(binary_codec::supports<std::vector<std::unique_ptr<int>>>);
}

TEST_CASE("the binary schema is that of the type and of this version of the bytes")
{
  CHECK(binary_codec::exact_schema);
  CHECK(binary_codec::schema<item>() == (cohort::schema_of<item>() ^ '1'));
  CHECK(binary_codec::schema<item>() != binary_codec::schema<tree>());
}

} // namespace binary_test
