// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/binary.hpp>

#include "fuzz/check.hpp"
#include "support/described_types.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

// What is checked for any input of the fuzz target `binary`: its first byte chooses a type, the
// rest is a message of that type.

namespace cohort_test::fuzz {

namespace binary {

/// Every kind of type whose elements keep their order.
struct everything : item {
  bool paid = false;
  char letter = 'a';
  color paint = color::red;
  weekday day = monday;
  level high = below;
  std::int16_t i16 = 0;
  std::uint64_t u64 = 0;
  float weight = 0;
  long double precise = 0;
  std::vector<item> items;
  std::vector<std::uint32_t> codes;
  std::array<std::uint16_t, 3> sizes{};
  std::array<item, 2> gifts;
  char text[4] = {};
  std::vector<bool> bits;
  std::deque<std::int64_t> steps;
  std::list<std::string> notes;
  std::pair<int, std::string> both;
  std::tuple<bool, color, std::string> three;
  std::optional<item> maybe;
  std::variant<std::monostate, int, std::string, item> any;
  std::chrono::milliseconds span{};
  std::chrono::system_clock::time_point when;
  point corner{};
};
BOOST_DESCRIBE_STRUCT(everything, (item),
    (paid, letter, paint, day, high, i16, u64, weight, precise, items, codes, sizes, gifts, text,
        bits, steps, notes, both, three, maybe, any, span, when, corner))

struct tree {
  std::int8_t value = 0;
  std::vector<tree> children;
  std::variant<std::monostate, std::string, std::vector<tree>> choice;
};
BOOST_DESCRIBE_STRUCT(tree, (), (value, children, choice))

/// Elements that are large here and small in a message, or take no byte at all.
using lists = std::tuple<std::vector<std::optional<item>>, std::vector<std::vector<bool>>,
    std::vector<std::monostate>, std::vector<point>, std::u16string, std::vector<std::byte>,
    std::vector<std::array<color, 2>>, std::deque<std::tuple<>>, std::vector<weekday>>;

struct sorted {
  std::set<std::string> tags;
  std::multiset<int> repeated;
  std::map<std::string, item> named;
  std::multimap<std::uint8_t, std::string> several;
  std::map<std::vector<color>, std::set<std::int16_t>> nested;
  std::set<std::monostate> nothing;
};
BOOST_DESCRIBE_STRUCT(sorted, (), (tags, repeated, named, several, nested, nothing))

struct hashed {
  std::unordered_map<int, std::string> numbered;
  std::unordered_set<std::string> seen;
  std::unordered_multimap<std::uint8_t, color> several;

  friend bool operator==(const hashed&, const hashed&) = default;
};
BOOST_DESCRIBE_STRUCT(hashed, (), (numbered, seen, several))

using choices = std::vector<std::variant<std::monostate, bool, weekday, double, std::string, item,
    std::optional<std::optional<bool>>, std::vector<point>, std::map<std::string, level>>>;

inline std::size_t depth_of(const tree& root)
{
  std::size_t deepest = 0;
  for (const tree& child : root.children) deepest = std::max(deepest, depth_of(child));
  if (const auto* more = std::get_if<std::vector<tree>>(&root.choice))
    for (const tree& child : *more) deepest = std::max(deepest, depth_of(child));
  return deepest + 1;
}

template <class Message>
void check_message(byte_span bytes)
{
  using cohort::binary_codec;
  auto message = decoded<binary_codec, Message>(bytes);
  if (!message) return;
  const auto again = encoded<binary_codec>(*message);
  require(again.size() == bytes.size(), "each value takes the same number of bytes");
  constexpr bool canonical = std::is_same_v<Message, everything> || std::is_same_v<Message, tree> ||
                             std::is_same_v<Message, lists>;
  if constexpr (canonical) {
    require(std::ranges::equal(again, bytes), "a message has one encoding only");
  } else {
    const auto second = decoded<binary_codec, Message>(again);
    require(second.has_value(), "what was encoded can be decoded");
    if constexpr (std::is_same_v<Message, hashed>)
      require(*second == *message, "the same value comes back");
    else require(encoded<binary_codec>(*second) == again, "the same bytes come back");
  }
  if constexpr (std::is_same_v<Message, tree>)
    require(2 * depth_of(*message) <= cohort::detail::binary_depth, "not nested deeper than said");
  require(encoded<binary_codec>(std::move(*message)) == again, "given away it is the same");

  require(!decoded<binary_codec, Message>(bytes.first(bytes.size() - 1)), "all bytes are needed");
  auto longer = again;
  longer.push_back(std::byte(0));
  require(!decoded<binary_codec, Message>(longer), "no bytes are left over");
}

} // namespace binary

inline void check_binary(byte_span input)
{
  with_chosen_type<binary::everything, binary::tree, binary::lists, binary::sorted, binary::hashed,
      binary::choices>(
      input, [&]<class Message>() { binary::check_message<Message>(input.subspan(1)); });
}

} // namespace cohort_test::fuzz
