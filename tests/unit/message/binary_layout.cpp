// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/binary_layout.hpp>

#include <doctest/doctest.h>

#include "support/described_types.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/mp11/algorithm.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace binary_layout_test {

using namespace cohort::detail;
using cohort_test::color;
using cohort_test::item;
using cohort_test::level;
using cohort_test::nest;
using cohort_test::point;
using cohort_test::tree;
using cohort_test::weekday;

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
/// As bytes: none could be put into one that is there.
struct constant_bytes {
  const int number = 1;
};
struct with_pointer {
  std::vector<int*> pointers;
};
BOOST_DESCRIBE_STRUCT(with_pointer, (), (pointers))
struct based_on_pointer : with_pointer {};
BOOST_DESCRIBE_STRUCT(based_on_pointer, (with_pointer), ())
enum open_enumeration { one_value };
enum class truth : bool { no, yes };

struct nothing {};
BOOST_DESCRIBE_STRUCT(nothing, (), ())
struct order : item {
  bool paid = false;
  std::array<std::uint16_t, 3> sizes{};
};
BOOST_DESCRIBE_STRUCT(order, (item), (paid, sizes))

/// That many alternatives, each of its own type.
template <std::size_t Count>
using variant_of = mp::mp_rename<mp::mp_iota_c<Count>, std::variant>;

template <class T>
constexpr bool supported = binary_supported<T>();

template <class T, class Refused>
constexpr bool refuses = std::is_same_v<decltype(first_refused<T>()), std::type_identity<Refused>>;

} // namespace

TEST_CASE("what owns its values and can be made before it is read is supported")
{
  CHECK(supported<bool>);
  CHECK(supported<long double>);
  CHECK(supported<char32_t>);
  CHECK(supported<color>);
  CHECK(supported<weekday>);
  CHECK(supported<point>);
  CHECK(supported<order>);
  CHECK(supported<nothing>);
  CHECK(supported<std::monostate>);
  CHECK(supported<std::vector<std::byte>>);
  CHECK(supported<std::array<item, 0>>);
  CHECK(supported<std::map<std::string, std::optional<std::tuple<item, color>>>>);
  CHECK(supported<std::chrono::system_clock::time_point>);
}

TEST_CASE("types that contain themselves are supported")
{
  CHECK(supported<tree>);
  CHECK(supported<nest>);
  CHECK(supported<std::vector<tree>>);
}

TEST_CASE("what refers elsewhere is refused")
{
  CHECK(binary_refusal_of<int*>() == binary_refusal::refers_elsewhere);
  CHECK(binary_refusal_of<int&>() == binary_refusal::refers_elsewhere);
  CHECK(binary_refusal_of<std::string_view>() == binary_refusal::refers_elsewhere);
  CHECK_FALSE(supported<int*>);
  CHECK_FALSE(supported<int order::*>);
  CHECK_FALSE(supported<std::nullptr_t>);
  CHECK_FALSE(supported<const char*>);
  CHECK_FALSE(supported<std::string_view>);
  CHECK_FALSE(supported<std::span<int>>);
  CHECK_FALSE(supported<std::reference_wrapper<int>>);
}

TEST_CASE("what cannot be filled is refused")
{
  CHECK(binary_refusal_of<const int>() == binary_refusal::cannot_be_filled);
  CHECK(binary_refusal_of<volatile int>() == binary_refusal::cannot_be_filled);
  CHECK(binary_refusal_of<no_default>() == binary_refusal::cannot_be_filled);
  CHECK(binary_refusal_of<constant_bytes>() == binary_refusal::cannot_be_filled);
  CHECK(binary_refusal_of<constant>() == binary_refusal::none);
  CHECK_FALSE(supported<constant>);
}

TEST_CASE("what is not known is refused")
{
  CHECK(binary_refusal_of<undescribed>() == binary_refusal::unknown);
  CHECK(binary_refusal_of<std::unique_ptr<int>>() == binary_refusal::unknown);
  CHECK_FALSE(supported<std::shared_ptr<int>>);
}

TEST_CASE("an enumeration whose range nobody told is refused")
{
  CHECK(binary_refusal_of<open_enumeration>() == binary_refusal::open_enumeration);
  CHECK(binary_refusal_of<weekday>() == binary_refusal::none);
  CHECK(binary_refusal_of<color>() == binary_refusal::none);
  CHECK(closed_enumeration<color>);
  CHECK(closed_enumeration<std::byte>);
  CHECK_FALSE(closed_enumeration<weekday>);
  CHECK_FALSE(closed_enumeration<int>);
}

TEST_CASE("a variant has up to 256 alternatives, as its index is a byte")
{
  CHECK(supported<variant_of<256>>);
#ifndef __clang__
  // Clang takes no variant of that many.
  CHECK_FALSE(supported<variant_of<257>>);
  CHECK(binary_refusal_of<variant_of<257>>() == binary_refusal::unknown);
#endif
}

TEST_CASE("a type is refused for anything inside it, and the first of that is told")
{
  CHECK(refuses<int*, int*>);
  CHECK(refuses<constant, const int>);
  CHECK(refuses<std::vector<undescribed>, undescribed>);
  CHECK(refuses<std::map<int, std::pair<bool, int*>>, int*>);
  CHECK(refuses<std::tuple<int&>, std::tuple<int&>>);
  CHECK(refuses<std::tuple<bool, std::string_view, int*>, std::string_view>);
  CHECK(refuses<std::array<std::optional<std::unique_ptr<int>>, 2>, std::unique_ptr<int>>);
  CHECK(refuses<std::variant<tree, open_enumeration>, open_enumeration>);
  CHECK(refuses<based_on_pointer, int*>);
  CHECK(std::is_same_v<decltype(first_refused<tree>()), none_refused>);
  CHECK_FALSE(supported<std::vector<undescribed>>);
  CHECK_FALSE(supported<std::map<int, std::pair<bool, int*>>>);
  CHECK_FALSE(supported<std::tuple<bool, std::string_view>>);
  CHECK_FALSE(supported<std::variant<tree, open_enumeration>>);
  CHECK_FALSE(supported<based_on_pointer>);
}

TEST_CASE("values that are their own encoding are copied at once")
{
  CHECK(binary_bulk<char>());
  CHECK(binary_bulk<std::uint64_t>());
  CHECK(binary_bulk<double>());
  CHECK(binary_bulk<color>());
  CHECK(binary_bulk<point>());
  CHECK(binary_bulk<std::array<std::array<int, 2>, 2>>());
  CHECK(binary_bulk<int[2]>());
  CHECK(binary_bulk<std::chrono::milliseconds>());
  CHECK(binary_run<std::string>);
  CHECK(binary_run<std::vector<point>>);
}

TEST_CASE("values of which something has to be checked or left out are not copied at once")
{
  CHECK_FALSE(binary_bulk<bool>());
  CHECK_FALSE(binary_bulk<truth>());
  CHECK_FALSE(binary_bulk<weekday>());
  CHECK_FALSE(binary_bulk<item>());
  CHECK_FALSE(binary_bulk<std::monostate>());
  CHECK_FALSE(binary_bulk<std::array<bool, 2>>());
  CHECK_FALSE(binary_bulk<std::array<int, 0>>());
  CHECK_FALSE(binary_bulk<std::optional<int>>());
  CHECK_FALSE(binary_bulk<std::pair<int, int>>());
  CHECK(binary_bulk<long double>() == (value_bytes<long double> == sizeof(long double)));
  CHECK_FALSE(binary_run<std::vector<bool>>);
  CHECK_FALSE(binary_run<std::vector<weekday>>);
  CHECK_FALSE(binary_run<std::deque<int>>);
  CHECK_FALSE(binary_run<std::list<int>>);
}

TEST_CASE("the value bytes of a floating point number have no padding")
{
  CHECK(value_bytes<float> == 4);
  CHECK(value_bytes<double> == 8);
  if (std::numeric_limits<long double>::digits == 64) CHECK(value_bytes<long double> == 10);
  else CHECK(value_bytes<long double> == sizeof(long double));
}

TEST_CASE("the least number of bytes is that of a value with nothing optional in it")
{
  CHECK(binary_minimum<bool>() == 1);
  CHECK(binary_minimum<std::uint16_t>() == 2);
  CHECK(binary_minimum<double>() == 8);
  CHECK(binary_minimum<long double>() == value_bytes<long double>);
  CHECK(binary_minimum<weekday>() == sizeof(std::underlying_type_t<weekday>));
  CHECK(binary_minimum<color>() == 1);
  CHECK(binary_minimum<point>() == 8);
  CHECK(binary_minimum<std::string>() == 4);
  CHECK(binary_minimum<std::map<int, item>>() == 4);
  CHECK(binary_minimum<std::optional<item>>() == 1);
  CHECK(binary_minimum<std::variant<item, int>>() == 1);
  CHECK(binary_minimum<std::array<item, 3>>() == 3 * 12);
  CHECK(binary_minimum<int[2][3]>() == 24);
  CHECK(binary_minimum<std::tuple<bool, std::string, double>>() == 13);
  CHECK(binary_minimum<std::chrono::seconds>() == sizeof(std::chrono::seconds::rep));
  CHECK(binary_minimum<std::chrono::system_clock::time_point>() == 8);
  CHECK(binary_minimum<order>() == 12 + 1 + 6);
  CHECK(binary_minimum<tree>() == 4 + 4);
}

TEST_CASE("the least number of bytes is 0 for what never takes any")
{
  CHECK(binary_minimum<std::monostate>() == 0);
  CHECK(binary_minimum<nothing>() == 0);
  CHECK(binary_minimum<std::tuple<>>() == 0);
  CHECK(binary_minimum<std::array<item, 0>>() == 0);
  CHECK(binary_minimum<std::array<std::monostate, 9>>() == 0);
}

TEST_CASE("an element of a map takes the bytes of key and value")
{
  CHECK(binary_element_minimum<std::vector<item>>() == 12);
  CHECK(binary_element_minimum<std::vector<bool>>() == 1);
  CHECK(binary_element_minimum<std::set<std::uint16_t>>() == 2);
  CHECK(binary_element_minimum<std::unordered_map<std::uint16_t, item>>() == 14);
  CHECK(binary_element_minimum<std::vector<std::monostate>>() == 0);
  CHECK(binary_element_minimum<std::map<nothing, std::tuple<>>>() == 0);
}

namespace {

enum none_but_zero { zero };
BOOST_DESCRIBE_ENUM(none_but_zero, zero)
enum one_bit { off, on };
BOOST_DESCRIBE_ENUM(one_bit, off, on)
enum all_negative { lowest = -8 };
BOOST_DESCRIBE_ENUM(all_negative, lowest)
enum lopsided { little = -1, much = 100 };
BOOST_DESCRIBE_ENUM(lopsided, little, much)
enum wide_enumeration : std::uint64_t { top = std::numeric_limits<std::uint64_t>::max() };
BOOST_DESCRIBE_ENUM(wide_enumeration, top)

/// The first and the last number in the range, as far as -300 and 300.
template <class Enumeration>
std::pair<int, int> range_of()
{
  using number = std::underlying_type_t<Enumeration>;
  const auto inside = [](int value) {
    return in_range_of<Enumeration>(static_cast<number>(value));
  };
  int first = std::is_signed_v<number> ? -300 : 0;
  while (!inside(first)) ++first;
  int last = first;
  while (last != 300 && inside(last + 1)) ++last;
  for (int beyond = last + 1; beyond < 300; ++beyond) CHECK_FALSE(inside(beyond));
  return {first, last};
}

using range = std::pair<int, int>;

} // namespace

TEST_CASE("the range of an enumeration is that of the smallest bit field for its enumerators")
{
  CHECK(range_of<weekday>() == range(0, 7));
  CHECK(range_of<level>() == range(-2, 1));
  CHECK(range_of<one_bit>() == range(0, 1));
  CHECK(range_of<none_but_zero>() == range(0, 0));
  CHECK(range_of<all_negative>() == range(-8, 7));
  CHECK(range_of<lopsided>() == range(-128, 127));
}

TEST_CASE("numbers of all bits are in the range of an enumerator of all bits")
{
  CHECK(in_range_of<wide_enumeration>(std::numeric_limits<std::uint64_t>::max()));
  CHECK(in_range_of<wide_enumeration>(0));
  CHECK_FALSE(in_range_of<weekday>(std::numeric_limits<std::underlying_type_t<weekday>>::max()));
  CHECK_FALSE(in_range_of<level>(std::numeric_limits<std::underlying_type_t<level>>::min()));
}

} // namespace binary_layout_test
