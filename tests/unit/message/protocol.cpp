// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/protocol.hpp>

#include <doctest/doctest.h>

#include <cohort/message/binary.hpp>

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace protocol_test {

namespace {

using namespace cohort;
using detail::fingerprint;
using detail::list_of_t;

template <class T>
using value_of = typename list_of_t<T>::value;

template <class Up, class Down, class Codec = binary_codec>
constexpr auto print = fingerprint<protocol<Up, Down, Codec>>();

struct other_codec : binary_codec {};

} // namespace

TEST_CASE("a list gives the type of what is received")
{
  static_assert(std::is_same_v<value_of<messages<int, long>>, std::variant<int, long>>);
  static_assert(std::is_same_v<value_of<to_primary<int>>, std::variant<int>>);
  static_assert(std::is_same_v<value_of<to_worker<>>, std::monostate>);
  static_assert(std::is_same_v<value_of<untyped<std::string>>, std::string>);
}

TEST_CASE("a list knows its types and their places, and finds one of them")
{
  using list = list_of_t<messages<int, long, std::string>>;
  static_assert(list::size == 3);
  static_assert(list::contains<long> && !list::contains<char>);
  static_assert(list::index_of<int>() == 0 && list::index_of<std::string>() == 2);
  std::vector<std::size_t> seen;
  const bool found = list::any([&]<class Message, std::size_t index>() {
    seen.push_back(index);
    return std::is_same_v<Message, long>;
  });
  CHECK(found);
  CHECK(seen == std::vector<std::size_t>{0, 1});
  CHECK_FALSE(list_of_t<messages<>>::any([]<class, std::size_t>() { return true; }));
}

TEST_CASE("a list of types with one name twice is found")
{
  static_assert(list_of_t<messages<int, long>>::distinct());
  static_assert(list_of_t<messages<>>::distinct());
  static_assert(!list_of_t<messages<int, long, int>>::distinct());
}

TEST_CASE("the fingerprint of a protocol depends on everything that both sides have to agree on")
{
  constexpr auto one = print<to_primary<int, long>, to_worker<char>>;
  static_assert(one == print<messages<int, long>, messages<char>>);
  static_assert(one != print<to_primary<long, int>, to_worker<char>>);
  static_assert(one != print<to_primary<int>, to_worker<long, char>>);
  static_assert(one != print<to_primary<int, long>, to_worker<>>);
  static_assert(one != print<to_primary<int, long>, to_worker<short>>);
  static_assert(one != print<to_primary<char>, to_worker<int, long>>);
  static_assert(one != print<to_primary<int, long>, to_worker<char>, other_codec>);
}

} // namespace protocol_test
