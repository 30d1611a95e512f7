// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/binary_writer.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/described_types.hpp"

#include <boost/describe/class.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace binary_writer_test {

namespace {

using cohort::byte_sink;
using cohort::detail::binary_writer;
using cohort_test::color;
using cohort_test::item;
using cohort_test::point;

template <class Value>
void write_to(byte_sink& sink, Value&& value)
{
  binary_writer(sink).write(std::forward<Value>(value));
}

template <class Value>
std::vector<std::byte> written(Value&& value)
{
  byte_sink sink;
  write_to(sink, std::forward<Value>(value));
  return sink.bytes();
}

std::vector<std::byte> raw(std::initializer_list<int> numbers)
{
  std::vector<std::byte> bytes;
  for (int each : numbers) bytes.push_back(static_cast<std::byte>(each));
  return bytes;
}

const void* address(const void* pointer) { return pointer; }

class keeps_secret {
public:
  explicit keeps_secret(std::uint8_t secret) : secret_(secret) {}

private:
  std::uint8_t secret_;
  BOOST_DESCRIBE_CLASS(keeps_secret, (), (), (), (secret_))
};
struct other_base {
  char letter = 'o';
};
BOOST_DESCRIBE_STRUCT(other_base, (), (letter))
class derived : keeps_secret, public other_base {
public:
  derived() : keeps_secret(7) {}
  std::uint16_t last = 3;

protected:
  bool guarded_ = true;
  BOOST_DESCRIBE_CLASS(derived, (keeps_secret, other_base), (last), (guarded_), ())
};

} // namespace

TEST_CASE("the layout of the bytes is fixed")
{
  CHECK(written(item{"ab", 1.0}) == raw({2, 0, 0, 0, 'a', 'b', 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}));
  CHECK(written(true) == raw({1}));
  CHECK(written(cohort_test::sunday) == raw({7, 0, 0, 0}));
  CHECK(written(color(200)) == raw({200}));
  CHECK(written(std::vector<std::uint16_t>{1, 2}) == raw({2, 0, 0, 0, 1, 0, 2, 0}));
  CHECK(written(std::deque<std::uint16_t>{1, 2}) == raw({2, 0, 0, 0, 1, 0, 2, 0}));
  CHECK(written(std::vector<bool>{true, false}) == raw({2, 0, 0, 0, 1, 0}));
  CHECK(written(std::u16string(u"a\u20ac")) == raw({2, 0, 0, 0, 'a', 0, 0xac, 0x20}));
  CHECK(written(std::set<char>{'b', 'a'}) == raw({2, 0, 0, 0, 'a', 'b'}));
  CHECK(written(std::map<char, char>{{'a', 'b'}}) == raw({1, 0, 0, 0, 'a', 'b'}));
  CHECK(written(std::optional<char>()) == raw({0}));
  CHECK(written(std::optional<char>('x')) == raw({1, 'x'}));
  CHECK(written(std::optional<std::optional<char>>(std::optional<char>())) == raw({1, 0}));
  CHECK(written(std::variant<int, char>('x')) == raw({1, 'x'}));
  CHECK(written(std::array<char, 2>{'x', 'y'}) == raw({'x', 'y'}));
  CHECK(written(std::array<bool, 2>{true, false}) == raw({1, 0}));
  CHECK(written(std::tuple<char, bool>('x', false)) == raw({'x', 0}));
  CHECK(written(std::pair<char, std::string>('x', "y")) == raw({'x', 1, 0, 0, 0, 'y'}));
  CHECK(written(std::chrono::duration<std::int16_t>(-2)) == raw({0xfe, 0xff}));
  CHECK(written(point{1, -1}) == raw({1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}));
  CHECK(written(std::vector<point>(1)) == raw({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  const char text[3] = {'x', 'y', 0};
  CHECK(written(text) == raw({'x', 'y', 0}));
}

TEST_CASE("a time point is written as the time since its epoch")
{
  using time = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;
  CHECK(written(time(std::chrono::seconds(258))) == raw({2, 1, 0, 0, 0, 0, 0, 0}));
}

TEST_CASE("integers are written little-endian with their own size, up to their limits")
{
  CHECK(written(std::int32_t(-2)) == raw({0xfe, 0xff, 0xff, 0xff}));
  CHECK(written(std::numeric_limits<std::int8_t>::min()) == raw({0x80}));
  CHECK(written('\xff') == raw({0xff}));
  CHECK(written(std::uint16_t(0x0102)) == raw({2, 1}));
  CHECK(written(u'\u20ac') == raw({0xac, 0x20}));
  CHECK(written(std::uint64_t(0x0102030405060708)) == raw({8, 7, 6, 5, 4, 3, 2, 1}));
  CHECK(written(std::numeric_limits<std::uint64_t>::max()) == std::vector(8, std::byte(0xff)));
  CHECK(written(std::numeric_limits<std::int64_t>::min()) == raw({0, 0, 0, 0, 0, 0, 0, 0x80}));
  CHECK(written(std::numeric_limits<std::int64_t>::max()) ==
        raw({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}));
}

TEST_CASE("floating point numbers are written bit for bit")
{
  CHECK(written(-0.0) == raw({0, 0, 0, 0, 0, 0, 0, 0x80}));
  CHECK(written(std::numeric_limits<double>::denorm_min()) == raw({1, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(written(-std::numeric_limits<float>::infinity()) == raw({0, 0, 0x80, 0xff}));
  CHECK(written(std::bit_cast<double>(std::uint64_t(0x7ff8000000000123))) ==
        raw({0x23, 1, 0, 0, 0, 0, 0xf8, 0x7f}));
  CHECK(written(std::bit_cast<float>(0x7fc01234u)) == raw({0x34, 0x12, 0xc0, 0x7f}));
  // Nothing of its padding.
  CHECK(written(1.0L).size() == cohort::detail::value_bytes<long double>);
}

TEST_CASE("bases are written before members, those that are not public too")
{
  CHECK(written(derived()) == raw({7, 'o', 3, 0, 1}));
}

TEST_CASE("what has no value takes no byte, but for elements of a container")
{
  CHECK(written(std::monostate()).empty());
  CHECK(written(std::tuple<>()).empty());
  CHECK(written(std::array<std::monostate, 3>()).empty());
  CHECK(written(std::vector<std::monostate>(2)) == raw({2, 0, 0, 0, 0, 0}));
  CHECK(written(std::list<std::array<int, 0>>(1)) == raw({1, 0, 0, 0, 0}));
  CHECK(written(std::map<std::monostate, std::tuple<>>{{}}) == raw({1, 0, 0, 0, 0}));
  CHECK(written(std::set<std::monostate>{std::monostate()}) == raw({1, 0, 0, 0, 0}));
}

TEST_CASE("one value is written behind the other, and behind what there was")
{
  byte_sink sink;
  sink.append("ab");
  {
    binary_writer out(sink);
    out.write('c');
    out.write(std::string("d"));
    out.write(true);
  }
  write_to(sink, 'e');
  CHECK(sink.bytes() == raw({'a', 'b', 'c', 1, 0, 0, 0, 'd', 1, 'e'}));
}

TEST_CASE("room that was not used is given back, however much was written")
{
  for (const std::size_t size : {1u, 62u, 63u, 64u, 127u, 128u, 129u, 200u, 4096u, 5000u, 20000u}) {
    std::vector<std::byte> expected;
    byte_sink sink;
    {
      binary_writer out(sink);
      for (std::size_t i = 0; i != size; ++i) {
        out.write(static_cast<std::uint8_t>(i));
        expected.push_back(static_cast<std::byte>(i));
      }
    }
    REQUIRE(sink.size() == size);
    CHECK((sink.bytes() == expected));
  }
}

TEST_CASE("texts of any length lie between numbers")
{
  for (std::size_t size = 0; size != 600; ++size) {
    const std::string text(size, 't');
    byte_sink sink, expected;
    write_to(sink, std::tuple(std::uint8_t(1), text, std::uint8_t(2), text, std::uint8_t(3)));
    for (const int mark : {1, 2}) {
      expected.append(
          raw({mark, static_cast<int>(size & 0xff), static_cast<int>(size >> 8), 0, 0}));
      expected.append(text);
    }
    expected.append(raw({3}));
    REQUIRE((sink.bytes() == expected.bytes()));
  }
}

TEST_CASE("large buffers that are given away are adopted wherever they are, others are copied")
{
  constexpr std::size_t large = 1024 * 1024;
  const std::string text(large, 't');
  using message = std::tuple<std::vector<item>, std::vector<std::uint32_t>, std::list<std::string>,
      std::variant<int, std::string>, std::optional<std::string>, std::array<std::string, 1>,
      std::map<int, std::string>, std::vector<std::byte>, std::vector<point>>;
  message sent({{"small", 1}, {text, 2}}, std::vector<std::uint32_t>(large / 4, 2), {text}, text,
      text, {text}, {{1, text}}, std::vector<std::byte>(large), std::vector<point>(large / 8));
  const std::vector<const void*> places = {std::get<0>(sent)[1].name.data(),
      std::get<1>(sent).data(), std::get<2>(sent).front().data(),
      std::get<std::string>(std::get<3>(sent)).data(), std::get<4>(sent)->data(),
      std::get<5>(sent)[0].data(), std::get<6>(sent).at(1).data(), std::get<7>(sent).data(),
      std::get<8>(sent).data()};

  byte_sink copied;
  write_to(copied, std::as_const(sent));
  CHECK(copied.adopted().empty());
  const auto bytes = copied.bytes();
  copied.clear();
  write_to(copied, sent);
  CHECK(copied.adopted().empty());
  CHECK((copied.bytes() == bytes));
  CHECK(std::get<7>(sent).size() == large);

  byte_sink sink;
  write_to(sink, std::move(sent));
  REQUIRE(sink.adopted().size() == places.size());
  for (std::size_t i = 0; i != places.size(); ++i)
    CHECK(address(sink.adopted()[i].bytes.data()) == places[i]);
  CHECK(sink.copied().size() < 1000);
  CHECK((sink.bytes() == bytes));
}

TEST_CASE("a buffer is large from the sink's threshold on")
{
  const auto adopts = [](auto buffer) {
    byte_sink sink;
    write_to(sink, std::move(buffer));
    return !sink.adopted().empty();
  };
  constexpr auto threshold = byte_sink::adopt_threshold;
  CHECK(adopts(std::string(threshold, 'x')));
  CHECK_FALSE(adopts(std::string(threshold - 1, 'x')));
  CHECK(adopts(std::vector<std::uint32_t>(threshold / 4)));
  CHECK_FALSE(adopts(std::vector<std::uint32_t>(threshold / 4 - 1)));
}

TEST_CASE("writing into a warmed sink allocates nothing")
{
  using message = std::tuple<std::vector<item>, std::list<std::string>, std::vector<std::uint64_t>,
      std::map<int, std::string>, std::variant<int, item>, std::vector<bool>>;
  const message sent({{"a", 1}, {std::string(300, 'b'), 2}}, {"c", "d"},
      std::vector<std::uint64_t>(500), {{1, "e"}}, item{"f", 3}, {true});
  byte_sink sink;
  write_to(sink, sent);
  const auto size = sink.size();
  sink.clear();
  const auto allocated = cohort_test::allocations_of([&] { write_to(sink, sent); });
  CHECK(allocated.count == 0);
  CHECK(sink.size() == size);
}

// What is refused

TEST_CASE("structs and containers are written 128 levels deep and no deeper")
{
  // Each is a struct and a vector.
  CHECK_FALSE(written(cohort_test::tall_tree(64)).empty());
  CHECK_THROWS_AS(written(cohort_test::tall_tree(65)), std::length_error);
  CHECK(written(cohort_test::deep_nest(128)).size() == 128 * 4);
  CHECK_THROWS_AS(written(cohort_test::deep_nest(129)), std::length_error);
  // One beside the other is no level more.
  CHECK(written(std::vector<cohort_test::tree>(1000)).size() == 4 + 1000 * 8);
  CHECK(written(cohort_test::tree{0, std::vector<cohort_test::tree>(1000)}).size() == 8 + 8000);
}

namespace {

/// A sequence that says how long it is; nobody may look for its elements.
struct endless {
  using value_type = bool;
  bool* begin() const { throw std::logic_error("looked for an element"); }
  bool* end() const { return begin(); }
  std::size_t size() const { return claimed; }
  std::size_t max_size() const { return claimed; }
  void clear() {}
  void push_back(bool) {}

  std::size_t claimed = 0;
};

struct fragile {
  fragile() = default;
  explicit fragile(int) { throw std::runtime_error("does not want to"); }
  std::string text;
};
BOOST_DESCRIBE_STRUCT(fragile, (), (text))

} // namespace

TEST_CASE("a container with more elements than 32 bits can count is not written")
{
  constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
  byte_sink sink;
  CHECK_THROWS_AS(write_to(sink, endless{most + 1}), std::length_error);
  CHECK_THROWS_AS(
      write_to(sink, endless{std::numeric_limits<std::size_t>::max()}), std::length_error);
  CHECK(sink.size() == 0);
  CHECK_THROWS_AS(write_to(sink, endless{most}), std::logic_error);
  CHECK(sink.bytes() == raw({255, 255, 255, 255}));
}

TEST_CASE("a variant that lost its value is not written")
{
  std::variant<int, fragile> broken;
  CHECK_THROWS_AS(broken.emplace<fragile>(1), std::runtime_error);
  REQUIRE(broken.valueless_by_exception());
  byte_sink sink;
  CHECK_THROWS_AS(write_to(sink, broken), std::bad_variant_access);
  CHECK(sink.size() == 0);
}

} // namespace binary_writer_test
