// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/json.hpp>

#include "fuzz/check.hpp"
#include "support/described_types.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/json/error.hpp>
#include <boost/json/value.hpp>

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
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

// What is checked for any input of the fuzz target `json`: its first byte chooses a type, the rest
// is the text of a message of that type.

namespace cohort_test::fuzz::json {

enum class color { red, green, blue };
BOOST_DESCRIBE_ENUM(color, red, green, blue)
enum class level : std::uint8_t { low = 1, high = 200 };

/// Every kind of type, each member of it may be absent.
struct everything {
  bool on = false;
  char letter = 'a';
  std::int8_t i8 = 0;
  std::uint8_t u8 = 0;
  std::int16_t i16 = 0;
  std::uint16_t u16 = 0;
  std::int32_t i32 = 0;
  std::uint32_t u32 = 0;
  std::int64_t i64 = 0;
  std::uint64_t u64 = 0;
  float f = 0;
  double d = 0;
  color paint = color::red;
  level much = level::low;
  std::string text;
  std::vector<std::byte> data;
  std::array<std::byte, 4> word{};
  std::array<std::uint16_t, 3> three{};
  int two[2] = {};
  std::vector<bool> bits;
  std::pair<int, std::string> both;
  std::tuple<bool, double, color> all;
  std::optional<part> maybe;
  std::optional<std::uint64_t> count;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, part, std::vector<int>> any;
  std::chrono::milliseconds span{};
  std::chrono::system_clock::time_point when;
  std::vector<std::optional<double>> gaps;
  boost::json::value extra;
  boost::json::string note;

  friend bool operator==(const everything&, const everything&) = default;
};
BOOST_DESCRIBE_STRUCT(everything, (),
    (on, letter, i8, u8, i16, u16, i32, u32, i64, u64, f, d, paint, much, text, data, word, three,
        two, bits, both, all, maybe, count, any, span, when, gaps, extra, note))

/// With a base, and members that have to be there.
struct order : part {
  std::vector<part> parts;
  std::map<std::string, color> colors;
  std::optional<std::vector<part>> gifts;
  int retries = 3;

  friend bool operator==(const order&, const order&) = default;
};
BOOST_DESCRIBE_STRUCT(order, (part), (parts, colors, gifts, retries))

struct tree {
  std::int32_t value = 0;
  std::vector<tree> children;
  std::variant<std::monostate, std::string, std::vector<tree>> choice;

  friend bool operator==(const tree&, const tree&) = default;
};
BOOST_DESCRIBE_STRUCT(tree, (), (value, children, choice))

/// No floating point numbers: these are compared.
struct containers {
  std::list<std::string> list;
  std::deque<std::int64_t> deque;
  std::set<std::string> set;
  std::multiset<int> multiset;
  std::unordered_set<std::string> unordered_set;
  std::map<std::string, std::vector<int>> map;
  std::map<int, std::string> numbered;
  std::multimap<std::string, int> multimap;
  std::unordered_map<std::string, int> unordered_map;
  std::unordered_map<std::uint8_t, color> colors;

  friend bool operator==(const containers&, const containers&) = default;
};
BOOST_DESCRIBE_STRUCT(containers, (),
    (list, deque, set, multiset, unordered_set, map, numbered, multimap, unordered_map, colors))

using choices = std::vector<std::variant<std::monostate, color, level, std::int8_t, std::uint64_t,
    float, std::string, std::vector<std::byte>, part, std::map<std::string, double>,
    std::chrono::seconds, boost::json::value>>;

} // namespace cohort_test::fuzz::json

template <>
inline constexpr auto
    cohort::json_defaults<cohort_test::fuzz::json::everything> = cohort::all_json_members();
template <>
inline constexpr auto
    cohort::json_defaults<cohort_test::fuzz::json::containers> = cohort::all_json_members();

namespace cohort_test::fuzz {

namespace json {

inline std::string_view as_text(byte_span bytes)
{
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// How deep the arrays and objects of a JSON text lie inside each other.
inline std::size_t depth_of(std::string_view text)
{
  std::size_t depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i != text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    else if (in_string) i += c == '\\';
    else if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    else if (c == ']' || c == '}') --depth;
  }
  return deepest;
}

/// Whether it is JSON to those who skip what they do not know.
inline bool can_be_skipped(std::string_view text)
{
  cohort::decode_error error;
  cohort::detail::json_reader reader(text, error);
  return reader.skip_value() && reader.read_end();
}

/// The two ways to read any text agree.
inline bool is_json(byte_span bytes)
{
  const bool skipped = can_be_skipped(as_text(bytes));
  cohort::decode_error error;
  const bool document = cohort::json_codec::decode<boost::json::value>(bytes, error).has_value();
  if (document == skipped) return skipped;
  // Boost.JSON minds very large exponents, which are numbers nevertheless.
  const auto overflow = make_error_code(boost::json::error::exponent_overflow).message();
  require(skipped && error.reason.find(overflow) != error.reason.npos,
      "a document is what can be skipped");
  return skipped;
}

template <class Message>
void check_message(byte_span bytes)
{
  const auto message = decoded<cohort::json_codec, Message>(bytes);
  if (!message) return;
  const auto text = encoded<cohort::json_codec>(*message);
  require(depth_of(as_text(text)) <= cohort::detail::json_max_depth, "not nested deeper than said");
  const auto again = decoded<cohort::json_codec, Message>(text);
  require(again.has_value(), "what was encoded can be decoded");
  // NaN, which is null, is not equal to itself; text is all that can be compared then.
  const bool may_have_nan = as_text(text).find("null") != std::string_view::npos;
  require(*again == *message || may_have_nan, "the same value comes back");
  if constexpr (!std::is_same_v<Message, containers>)
    require(encoded<cohort::json_codec>(*again) == text, "the same text comes back");
}

} // namespace json

inline void check_json(byte_span input)
{
  with_chosen_type<boost::json::value, boost::json::object, json::everything, json::order,
      json::tree, json::containers, json::choices>(input, [&]<class Message>() {
    const auto text = input.subspan(1);
    const bool is_json = json::is_json(text);
    if (is_json) json::check_message<Message>(text);
    else require(!decoded<cohort::json_codec, Message>(text), "what is no JSON is refused");
  });
}

} // namespace cohort_test::fuzz
