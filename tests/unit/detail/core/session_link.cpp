// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/session_link.hpp>

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace session_link_test {

using cohort::detail::for_each_session;
using cohort::detail::session_link;

namespace {

using link = session_link<char>;

struct members {
  members()
  {
    for (char& each : letters) {
      places.push_back(std::make_unique<link>(&each));
      places.back()->join(list);
    }
  }

  std::string all()
  {
    std::string found;
    for_each_session(list, [&](char each) { found += each; });
    return found;
  }

  std::array<char, 4> letters{'a', 'b', 'c', 'd'};
  link list;
  std::vector<std::unique_ptr<link>> places;
};

} // namespace

TEST_CASE("a list gives its sessions in order, once each")
{
  members some;
  CHECK(some.all() == "abcd");
  CHECK(some.all() == "abcd");
  link empty;
  CHECK(empty.alone());
  for_each_session(empty, [](char) { FAIL("nobody is there"); });
}

TEST_CASE("a place leaves its list when it ends, when it is told to, and for another list")
{
  members some;
  some.places[1].reset();
  CHECK(some.all() == "acd");
  some.places[3]->leave();
  some.places[3]->leave();
  CHECK(some.places[3]->alone());
  CHECK(some.all() == "ac");
  link other;
  some.places[0]->join(other);
  CHECK(some.all() == "c");
  CHECK(&other.next() == some.places[0].get());
  CHECK_FALSE(other.alone());
  some.places[0]->join(some.list);
  CHECK(some.all() == "ca");
}

TEST_CASE("whoever has their turn may make anybody leave")
{
  for (std::size_t turn = 0; turn != 4; ++turn)
    for (std::size_t victim = 0; victim != 4; ++victim) {
      members some;
      std::string seen;
      for_each_session(some.list, [&](char each) {
        seen += each;
        if (seen.size() == turn + 1) some.places[victim].reset();
      });
      std::string expected = "abcd";
      if (victim > turn) expected.erase(victim, 1);
      CHECK(seen == expected);
    }
}

TEST_CASE("an exception leaves the list as it was")
{
  members some;
  CHECK_THROWS(for_each_session(some.list, [](char) { throw 1; }));
  CHECK(some.all() == "abcd");
}

} // namespace session_link_test
