// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: cohort::binary_codec cannot encode this type: describe it with BOOST_DESCRIBE
// expect-lines: 18
//
// A struct that owns something has to be described, also inside a message that is.

#include <cohort/message/binary.hpp>

#include <string>
#include <vector>

struct item {
  std::string name;
  double price;
};
#ifndef MUST_FAIL
BOOST_DESCRIBE_STRUCT(item, (), (name, price))
#endif

struct order {
  std::vector<item> items;
};
BOOST_DESCRIBE_STRUCT(order, (), (items))

int main()
{
  cohort::byte_sink out;
  cohort::binary_codec::encode(order(), out);
}
