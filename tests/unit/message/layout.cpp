// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/layout.hpp>

#include <doctest/doctest.h>

#include "support/described_types.hpp"

#include <boost/describe/class.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
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
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace layout_test {

using namespace cohort::detail;
using cohort_test::color;
using cohort_test::item;
using cohort_test::nest;
using cohort_test::point;
using cohort_test::tree;
using cohort_test::weekday;

namespace {

struct empty {};
struct with_destructor {
  ~with_destructor() {}
};

struct described_empty {};
BOOST_DESCRIBE_STRUCT(described_empty, (), ())

class family : public item, empty {
public:
  int numbers[2] = {};

private:
  [[maybe_unused]] const bool hidden_ = false;
  BOOST_DESCRIBE_CLASS(family, (item, empty), (numbers), (), (hidden_))
};

/// Is a sequence too, but was described.
struct described_sequence : std::vector<int> {};
BOOST_DESCRIBE_STRUCT(described_sequence, (), ())

template <class T>
constexpr std::string_view kind_of()
{
  switch (layout_of<T>()) {
  case layout::boolean: return "boolean";
  case layout::integer: return "integer";
  case layout::floating: return "floating";
  case layout::enumeration: return "enumeration";
  case layout::nothing: return "nothing";
  case layout::described: return "described";
  case layout::array: return "array";
  case layout::sequence: return "sequence";
  case layout::associative: return "associative";
  case layout::tuple: return "tuple";
  case layout::optional: return "optional";
  case layout::variant: return "variant";
  case layout::duration: return "duration";
  case layout::time_point: return "time_point";
  case layout::bytes: return "bytes";
  case layout::other: return "other";
  }
}

template <class T, class... Parts>
constexpr bool has_parts = std::is_same_v<parts_of<T>, mp::mp_list<Parts...>>;

} // namespace

TEST_CASE("numbers have their layouts")
{
  CHECK(kind_of<bool>() == "boolean");
  CHECK(kind_of<char>() == "integer");
  CHECK(kind_of<char16_t>() == "integer");
  CHECK(kind_of<std::int8_t>() == "integer");
  CHECK(kind_of<std::uint64_t>() == "integer");
  CHECK(kind_of<float>() == "floating");
  CHECK(kind_of<long double>() == "floating");
  CHECK(kind_of<color>() == "enumeration");
  CHECK(kind_of<weekday>() == "enumeration");
  CHECK(kind_of<std::byte>() == "enumeration");
}

TEST_CASE("what was described is described, whatever else it is")
{
  CHECK(kind_of<item>() == "described");
  CHECK(kind_of<described_empty>() == "described");
  CHECK(kind_of<described_sequence>() == "described");
  CHECK(kind_of<family>() == "described");
}

TEST_CASE("the types of the standard library have their layouts")
{
  CHECK(kind_of<std::array<int, 3>>() == "array");
  CHECK(kind_of<std::array<int, 0>>() == "array");
  CHECK(kind_of<int[2][3]>() == "array");
  CHECK(kind_of<std::string>() == "sequence");
  CHECK(kind_of<std::vector<bool>>() == "sequence");
  CHECK(kind_of<std::deque<int>>() == "sequence");
  CHECK(kind_of<std::list<item>>() == "sequence");
  CHECK(kind_of<nest>() == "sequence");
  CHECK(kind_of<std::set<int>>() == "associative");
  CHECK(kind_of<std::unordered_multiset<int>>() == "associative");
  CHECK(kind_of<std::multimap<int, bool>>() == "associative");
  CHECK(kind_of<std::unordered_map<int, bool>>() == "associative");
  CHECK(kind_of<std::pair<int, bool>>() == "tuple");
  CHECK(kind_of<std::tuple<>>() == "tuple");
  CHECK(kind_of<std::optional<int>>() == "optional");
  CHECK(kind_of<std::variant<int>>() == "variant");
  CHECK(kind_of<std::chrono::duration<double>>() == "duration");
  CHECK(kind_of<std::chrono::steady_clock::time_point>() == "time_point");
  CHECK(kind_of<std::monostate>() == "nothing");
}

TEST_CASE("of other types the bytes are the value, or nothing is known")
{
  CHECK(kind_of<empty>() == "nothing");
  CHECK(kind_of<point>() == "bytes");
  CHECK(kind_of<with_destructor>() == "other");
  CHECK(kind_of<std::unique_ptr<int>>() == "other");
  CHECK(kind_of<std::function<void()>>() == "other");
}

TEST_CASE("what refers elsewhere is no bytes")
{
  CHECK(kind_of<int*>() == "other");
  CHECK(kind_of<int item::*>() == "other");
  CHECK(kind_of<void (item::*)()>() == "other");
  CHECK(kind_of<std::nullptr_t>() == "other");
  CHECK(kind_of<int&>() == "other");
  CHECK(kind_of<std::string_view>() == "other");
  CHECK(kind_of<std::span<int>>() == "other");
  CHECK(kind_of<std::span<int, 2>>() == "other");
  CHECK(kind_of<std::reference_wrapper<int>>() == "other");
  CHECK_FALSE(refers_elsewhere<std::string>);
  CHECK_FALSE(refers_elsewhere<point>);
}

TEST_CASE("only maps have mapped values")
{
  CHECK(map_container<std::map<int, int>>);
  CHECK(map_container<std::unordered_multimap<int, int>>);
  CHECK_FALSE(map_container<std::set<int>>);
  CHECK_FALSE(map_container<std::vector<int>>);
}

TEST_CASE("a type has the parts that its values consist of")
{
  CHECK(has_parts<int>);
  CHECK(has_parts<point>);
  CHECK(has_parts<std::monostate>);
  CHECK(has_parts<color, std::uint8_t>);
  CHECK(has_parts<std::array<item, 2>, item>);
  CHECK(has_parts<std::array<item, 0>, item>);
  CHECK(has_parts<int[2][3], int[3]>);
  CHECK(has_parts<std::string, char>);
  CHECK(has_parts<std::vector<bool>, bool>);
  CHECK(has_parts<std::optional<item>, item>);
  CHECK(has_parts<std::set<item>, item>);
  CHECK(has_parts<std::map<int, bool>, int, bool>);
  CHECK(has_parts<std::pair<int, bool>, int, bool>);
  CHECK(has_parts<std::tuple<>>);
  CHECK(has_parts<std::variant<int, bool, int>, int, bool, int>);
  CHECK(has_parts<std::chrono::duration<double>, double>);
  CHECK(has_parts<std::chrono::system_clock::time_point, std::chrono::system_clock::duration>);
}

TEST_CASE("a class has its bases and members of any access as parts, as they were declared")
{
  CHECK(has_parts<family, item, empty, int[2], const bool>);
  CHECK(has_parts<described_empty>);
  CHECK(has_parts<tree, int, std::vector<tree>>);
  CHECK(mp::mp_size<bases_of<family>>::value == 2);
  CHECK(mp::mp_size<members_of<family>>::value == 2);
}

TEST_CASE("the types around one are found by how far out they are")
{
  const types_around outermost{type_mark<int>, nullptr};
  const types_around middle{type_mark<item>, &outermost};
  const types_around innermost{type_mark<tree>, &middle};
  CHECK(innermost.find(type_mark<tree>) == 0);
  CHECK(innermost.find(type_mark<item>) == 1);
  CHECK(innermost.find(type_mark<int>) == 2);
  CHECK(innermost.find(type_mark<bool>) == -1);
  CHECK(middle.find(type_mark<tree>) == -1);
}

TEST_CASE("the innermost of equal types is found")
{
  const types_around outer{type_mark<int>, nullptr};
  const types_around inner{type_mark<int>, &outer};
  CHECK(inner.find(type_mark<int>) == 0);
}

TEST_CASE("a walk through members goes in order until it is told to stop")
{
  std::string seen;
  CHECK(all_of(members_of<family>(), [&](auto member) {
    seen += std::string(member.name) + ' ';
    return true;
  }));
  CHECK(seen == "numbers hidden_ ");
  seen.clear();
  CHECK_FALSE(all_of(members_of<family>(), [&](auto member) {
    seen += member.name;
    return false;
  }));
  CHECK(seen == "numbers");
  CHECK(all_of(members_of<described_empty>(), [](auto) { return false; }));
}

TEST_CASE("a walk through indexes goes in order until it is told to stop")
{
  std::string seen;
  const auto walk = [&](auto index) {
    static_assert(std::is_same_v<typename decltype(index)::value_type, std::size_t>);
    seen += std::to_string(index);
    return index != 2;
  };
  CHECK_FALSE(all_indexes<5>(walk));
  CHECK(seen == "012");
  seen.clear();
  CHECK(all_indexes<2>(walk));
  CHECK(seen == "01");
  CHECK(all_indexes<0>(walk));
  CHECK(seen == "01");
}

} // namespace layout_test
