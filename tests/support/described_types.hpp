// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What the tests and the fuzz targets of the codecs put into messages.

namespace cohort_test {

/// Of any number that fits into a byte.
enum class color : std::uint8_t { red, green };

/// Their enumerators give them their range.
enum weekday { monday = 1, sunday = 7 };
BOOST_DESCRIBE_ENUM(weekday, monday, sunday)
enum level { below = -1, above = 1 };
BOOST_DESCRIBE_ENUM(level, below, above)

/// Trivially copyable and not described.
struct point {
  std::int32_t x;
  std::int32_t y;

  friend bool operator==(const point&, const point&) = default;
};

struct item {
  std::string name;
  double price = 0;

  friend bool operator==(const item&, const item&) = default;
};
BOOST_DESCRIBE_STRUCT(item, (), (name, price))

struct part {
  std::string name;
  std::int64_t number = 0;
  double weight = 0;
  std::optional<float> ratio;

  friend bool operator==(const part&, const part&) = default;
};
BOOST_DESCRIBE_STRUCT(part, (), (name, number, weight, ratio))

/// Contains itself.
struct tree {
  int value = 0;
  std::vector<tree> children;

  friend bool operator==(const tree&, const tree&) = default;
};
BOOST_DESCRIBE_STRUCT(tree, (), (value, children))

/// A tree of one branch, of that many nodes.
inline tree tall_tree(int height)
{
  tree made;
  for (int i = 1; i < height; ++i) {
    tree above;
    above.children.push_back(std::move(made));
    made = std::move(above);
  }
  return made;
}

/// Contains itself without being described.
struct nest : std::vector<nest> {};

inline nest deep_nest(int depth)
{
  nest made;
  for (int i = 1; i < depth; ++i) {
    nest outer;
    outer.push_back(std::move(made));
    made = std::move(outer);
  }
  return made;
}

} // namespace cohort_test
