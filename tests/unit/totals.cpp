// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/totals.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <ostream>
#include <string>
#include <system_error>

namespace totals_test {

using namespace cohort;

namespace {

totals read(const std::string& text)
{
  std::error_code error;
  const totals all = totals_from_text(text, error);
  CHECK_MESSAGE(!error, error.message());
  return all;
}

template <class Counters>
void fill(Counters& counters, std::uint64_t first)
{
  for (const auto& [name, field] : detail::counter_fields<Counters>) counters.*field = first++;
}

template <class Counters>
void check_equal(const Counters& a, const Counters& b)
{
  for (const auto& [name, field] : detail::counter_fields<Counters>) {
    CAPTURE(name);
    CHECK(a.*field == b.*field);
  }
}

} // namespace

TEST_CASE("what was counted is told in lines of words")
{
  totals all;
  CHECK(to_text(all).empty());
  all.listeners.push_back({"127.0.0.1:80", {}});
  all.listeners.back().counters.accepted = 3;
  all.listeners.back().counters.taken = 2;
  all.groups.push_back({"web", {}});
  all.groups.push_back({"mail", {}});
  all.groups.back().counters.retired_memory = 7;
  CHECK(to_text(all) == "listener 127.0.0.1:80 accepted 3 taken 2\n"
                        "group web\n"
                        "group mail retired_memory 7\n");
}

TEST_CASE("what is told comes back, each counter and each name")
{
  totals all;
  std::string any;
  for (int each = 0; each != 256; ++each) any += static_cast<char>(each);
  for (const std::string& name : {std::string("[::1]:80"), std::string(), any}) {
    fill(all.listeners.emplace_back().counters, 1);
    all.listeners.back().address = name;
  }
  // The second one is named as what stands for no name.
  for (const char* name : {"web", "-"}) {
    fill(all.groups.emplace_back().counters, std::numeric_limits<std::uint64_t>::max() - 100);
    all.groups.back().name = name;
  }
  const totals back = read(to_text(all));
  REQUIRE(back.listeners.size() == 3);
  for (std::size_t i = 0; i != 3; ++i) {
    CHECK(back.listeners[i].address == all.listeners[i].address);
    check_equal(back.listeners[i].counters, all.listeners[i].counters);
  }
  REQUIRE(back.groups.size() == 2);
  for (std::size_t i = 0; i != 2; ++i) {
    CHECK(back.groups[i].name == all.groups[i].name);
    check_equal(back.groups[i].counters, all.groups[i].counters);
  }
}

TEST_CASE("what another version tells besides is skipped")
{
  const totals all = read("version 7\n"
                          "listener 127.0.0.1:80 accepted 3 teleported 9 taken 2\n"
                          "\n"
                          "group web started 1");
  REQUIRE(all.listeners.size() == 1);
  CHECK(all.listeners[0].counters.accepted == 3);
  CHECK(all.listeners[0].counters.taken == 2);
  REQUIRE(all.groups.size() == 1);
  CHECK(all.groups[0].counters.started == 1);
}

TEST_CASE("what is no such text is refused as a whole")
{
  for (const char* text : {"listener a accepted", "listener a accepted x", "listener a accepted -1",
           "listener a accepted 1x", "listener a  1", "group %", "group %4", "group %xy",
           "listener good accepted 1\ngroup web started 99999999999999999999"}) {
    CAPTURE(text);
    std::error_code error;
    const totals all = totals_from_text(text, error);
    CHECK(error == std::errc::invalid_argument);
    CHECK(all.listeners.empty());
    CHECK(all.groups.empty());
  }
}

} // namespace totals_test
