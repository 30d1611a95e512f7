// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/activation.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace activation_test {

using namespace cohort::detail;
using names = std::vector<std::string>;
using text = std::optional<std::string>;
using std::chrono::microseconds;

namespace {

constexpr std::int64_t own = 4711;

activation parse(const text& pid, const text& fds, const text& called, std::error_code& error)
{
  activation_variables said;
  said.pid = pid;
  said.fds = fds;
  said.names = called;
  return parse_activation(said, own, error);
}

// One that makes sense.
names given(const text& pid, const text& fds, const text& called = std::nullopt)
{
  std::error_code error;
  const activation result = parse(pid, fds, called, error);
  CHECK_FALSE(error);
  CHECK_FALSE(result.bad_names);
  return result.names;
}

} // namespace

TEST_CASE("each descriptor has its name, or is unknown where there are none")
{
  CHECK(given("4711", "1") == names{"unknown"});
  CHECK(given("4711", "3") == names{"unknown", "unknown", "unknown"});
  CHECK(given("4711", "2", "http:admin.socket") == names{"http", "admin.socket"});
  CHECK(given("4711", "2", "http:http") == names{"http", "http"});
  CHECK(given("4711", "1", "two words") == names{"two words"});
  CHECK(given("4711", "1", "") == names{""});
  CHECK(given("4711", "3", "a::") == names{"a", "", ""});
  CHECK(given("4711", "1", std::string(255, 'n')) == names{std::string(255, 'n')});
}

TEST_CASE("nothing is given where nothing is said, or to another process")
{
  CHECK(given(std::nullopt, std::nullopt).empty());
  CHECK(given("4711", std::nullopt).empty());
  CHECK(given(std::nullopt, "2").empty());
  CHECK(given("4712", "2").empty());
  CHECK(given("4711", "0").empty());
  // Whatever it is called.
  CHECK(given("4712", "2", "only one").empty());
  CHECK(given("4711", "0", "").empty());
}

TEST_CASE("numbers that are none, and more descriptors than there can be, are nonsense")
{
  std::error_code error;
  for (const char* bad : {"", " ", "4711 ", " 4711", "+4711", "-4711", "0x1267", "4711\n", "4711.0",
           "pid", "0", "-0", "9223372036854775808", "47114711471147114711"}) {
    CAPTURE(bad);
    CHECK(parse(bad, "1", std::nullopt, error).names.empty());
    CHECK(error == std::errc::invalid_argument);
  }
  for (const char* bad : {"", " ", "1 ", " 1", "+1", "-1", "-0", "0x1", "1,", "one", "65537",
           "2147483647", "4294967297", "18446744073709551616"}) {
    CAPTURE(bad);
    CHECK(parse("4711", bad, std::nullopt, error).names.empty());
    CHECK(error == std::errc::invalid_argument);
  }
  CHECK(given("4711", "65536").size() == most_activated);
  // What went before does not stay.
  parse("4711", "1", std::nullopt, error);
  CHECK_FALSE(error);
}

TEST_CASE("with names that do not fit the descriptors are there all the same")
{
  std::error_code error;
  for (const std::string& bad :
      {std::string("one"), std::string("one:two:three"), std::string(), std::string("one:tw\no"),
          std::string("one:\xc3\xa4"), std::string("one:\x7f"), "one:" + std::string(256, 'n')}) {
    CAPTURE(bad);
    const activation result = parse("4711", "2", bad, error);
    CHECK(error == std::errc::invalid_argument);
    CHECK(result.bad_names);
    CHECK(result.names == names{"unknown", "unknown"});
  }
}

TEST_CASE("the watchdog is ours when it names us or nobody, and its pause is a number above 0")
{
  CHECK(parse_watchdog("30000000", "4711", own) == microseconds(30'000'000));
  CHECK(parse_watchdog("1", std::nullopt, own) == microseconds(1));
  CHECK_FALSE(parse_watchdog(std::nullopt, "4711", own));
  CHECK_FALSE(parse_watchdog(std::nullopt, std::nullopt, own));
  for (const char* other : {"4712", "", "4711 ", "-4711", "nobody"})
    CHECK_FALSE(parse_watchdog("30000000", other, own));
  for (const char* bad : {"", "0", "-1", "+1", "1s", " 1", "1.5", "18446744073709551615",
           "9223372036854775807", "1125899906842625"})
    CHECK_FALSE(parse_watchdog(bad, std::nullopt, own));
  CHECK(parse_watchdog("1125899906842624", std::nullopt, own));
}

} // namespace activation_test
