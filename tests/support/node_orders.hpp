// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/environment.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/message/protocol.hpp>

#include <boost/describe/class.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What the tests after Node's own and their workers, process/node/node_role.cpp, say to each
/// other.
namespace cohort_test::node {

/// An order for a worker of the role "node_json". What is no order it sends back, handles and all.
inline boost::json::object order(std::string_view what)
{
  boost::json::object made;
  made["do"] = what;
  return made;
}
template <class Value>
boost::json::object order(std::string_view what, Value value)
{
  boost::json::object made = order(what);
  made["with"] = std::move(value);
  return made;
}

inline cohort::environment node_role(const char* name)
{
  return cohort::environment().set("COHORT_TEST_ROLE", name);
}

struct leaf {
  std::string name;
  double weight = 0;

  friend bool operator==(const leaf&, const leaf&) = default;
};
BOOST_DESCRIBE_STRUCT(leaf, (), (name, weight))

/// Of many parts.
struct nested {
  std::vector<leaf> leaves;
  std::map<std::string, std::optional<std::int64_t>> numbers;
  std::optional<leaf> none;
  std::vector<std::byte> bytes;

  friend bool operator==(const nested&, const nested&) = default;
};
BOOST_DESCRIBE_STRUCT(nested, (), (leaves, numbers, none, bytes))

/// What only one side knows.
struct rumour {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(rumour, (), (text))

using binary_protocol =
    cohort::protocol<cohort::to_primary<nested>, cohort::to_worker<nested>, cohort::binary_codec>;
/// As a primary that knows one message more has it.
using gossip_protocol = cohort::protocol<cohort::to_primary<nested, rumour>,
    cohort::to_worker<nested, rumour>, cohort::binary_codec>;

} // namespace cohort_test::node
