// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_scalars.hpp>

#include <doctest/doctest.h>

#include "support/described_types.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace json_scalars_test {

using namespace cohort::detail;
using cohort_test::color;
using cohort_test::weekday;

namespace {

/// What is wrong with the text, which lies in memory of its own, so that a sanitizer sees each step
/// beyond the end; empty when nothing is.
template <class Read, class T>
std::string problem(std::string_view text, Read read, T& value)
{
  const std::vector<char> copy(text.begin(), text.end());
  cohort::decode_error error;
  json_reader in({copy.data(), copy.size()}, error);
  const bool done = read(in, value) && in.read_end();
  CHECK(done == !error.code);
  if (!done) CHECK(error.code == cohort::error::invalid_message);
  return done ? "" : error.message();
}

const auto number = [](json_reader& in, auto& value) { return read_json_number(in, value); };
const auto name = [](json_reader& in, auto& value) { return read_json_enum(in, value); };
const auto bytes = [](json_reader& in, auto& value) { return read_json_bytes(in, value); };
const auto document = [](json_reader& in, auto& value) { return read_json_document_as(in, value); };

template <class T, class Read>
T read(std::string_view text, Read how)
{
  T value{};
  const auto wrong = problem(text, how, value);
  REQUIRE_MESSAGE(wrong.empty(), wrong);
  return value;
}
template <class T, class Read>
std::string failure(std::string_view text, Read how)
{
  T value{};
  return problem(text, how, value);
}

enum class signed_number : std::int8_t { one = 1 };

using byte_list = std::vector<std::byte>;
using two_bytes = std::array<std::byte, 2>;

} // namespace

TEST_CASE("an integer is read, and its range is told when it is out of it")
{
  CHECK(read<int>("-5", number) == -5);
  CHECK(read<char>("97", number) == 'a');
  CHECK(read<std::uint64_t>("18446744073709551615", number) ==
        std::numeric_limits<std::uint64_t>::max());
  CHECK(read<std::int64_t>(" -9223372036854775808 ", number) ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(failure<std::int8_t>("128", number) == "expected an integer from -128 to 127, got 128");
  CHECK(failure<std::uint8_t>("-1", number) == "expected an integer from 0 to 255, got -1");
  CHECK(failure<std::uint64_t>("18446744073709551616", number) ==
        "expected an integer from 0 to 18446744073709551615, got 18446744073709551616");
  CHECK(
      failure<std::int16_t>("1e5", number) == "expected an integer from -32768 to 32767, got 1e5");
}

TEST_CASE("what is no integer is told as it is")
{
  CHECK(failure<int>("5.5", number) == "expected an integer, got 5.5");
  CHECK(failure<int>("0." + std::string(60, '1'), number) ==
        "expected an integer, got 0." + std::string(38, '1') + "...");
  CHECK(failure<int>("\"5\"", number) == "expected an integer, got a string");
  CHECK(failure<int>("true", number) == "expected an integer, got a boolean");
  CHECK(failure<int>("null", number) == "expected an integer, got null");
  CHECK(failure<int>("", number) == "the message is empty");
}

TEST_CASE("a floating point number is read, NaN from null")
{
  CHECK(std::bit_cast<std::uint64_t>(read<double>("0.1", number)) == 0x3fb999999999999a);
  CHECK(std::signbit(read<double>("-0", number)));
  CHECK(read<float>("0.1", number) == 0.1f);
  CHECK(read<double>("7", number) == 7);
  CHECK(read<double>("-1e99999", number) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(read<double>("null", number)));
  CHECK(std::isnan(read<float>(" null", number)));
  CHECK(failure<double>("1e400", number) == "too large a number: 1e400");
  CHECK(failure<float>("-1e39", number) == "too large a number: -1e39");
  CHECK(failure<double>("NaN", number) == "not JSON: expected a number at byte 0");
  CHECK(failure<double>("[]", number) == "expected a number, got an array");
}

TEST_CASE("an enumeration that is described is read by name only")
{
  CHECK(read<weekday>("\"sunday\"", name) == cohort_test::sunday);
  CHECK(read<weekday>(R"("mond\u0061y")", name) == cohort_test::monday);
  CHECK(failure<weekday>("\"Sunday\"", name) == R"(unknown name "Sunday")");
  CHECK(failure<weekday>("\"\"", name) == R"(unknown name "")");
  CHECK(failure<weekday>(R"("\u00ff\n)" + std::string(50, 'x') + '"', name) ==
        "unknown name \"???" + std::string(37, 'x') + "...\"");
  CHECK(failure<weekday>("7", name) == "expected a string, got a number");
}

TEST_CASE("another enumeration is read as any number of its underlying type")
{
  CHECK(read<color>("1", name) == color::green);
  CHECK(read<color>("255", name) == color(255));
  CHECK(read<signed_number>("-128", name) == signed_number(-128));
  CHECK(failure<color>("256", name) == "expected an integer from 0 to 255, got 256");
  CHECK(failure<signed_number>("128", name) == "expected an integer from -128 to 127, got 128");
  CHECK(failure<color>("\"green\"", name) == "expected an integer, got a string");
}

TEST_CASE("bytes are read from strict base64")
{
  const auto text_of = [](std::string_view base64) {
    std::string text;
    for (const std::byte each : read<byte_list>('"' + std::string(base64) + '"', bytes))
      text += static_cast<char>(each);
    return text;
  };
  CHECK(text_of("").empty());
  CHECK(text_of("Zg==") == "f");
  CHECK(text_of("Zm8=") == "fo");
  CHECK(text_of("Zm9v") == "foo");
  CHECK(text_of("Zm9vYg==") == "foob");
  CHECK(text_of("+//+") == "\xfb\xff\xfe");
  CHECK(text_of(R"(\/wA=)") == std::string("\xff\0", 2));
  for (const auto* bad : {"A", "AA", "AAA", "A===", "====", "AA=A", "AAA*", "AAAA=", "AB==", "AAB=",
           "AA==AAAA", "AAA=AAAA", "AA A", "AAA\\n", "-_AA", "AAAAA", "=AAA", "\\u0000AAA"}) {
    CAPTURE(bad);
    CHECK(failure<byte_list>('"' + std::string(bad) + '"', bytes) == "expected base64");
  }
  CHECK(failure<byte_list>("[1]", bytes) == "expected a string, got an array");
}

TEST_CASE("base64 that has more bits than bytes is refused, whatever these are")
{
  int taken = 0;
  for (const char c : base64_alphabet) {
    taken += failure<byte_list>(std::string("\"A") + c + "==\"", bytes).empty();
    taken += failure<byte_list>(std::string("\"AA") + c + "=\"", bytes).empty();
  }
  CHECK(taken == 4 + 16);
}

TEST_CASE("bytes that were there give way to those that are read")
{
  byte_list list(3, std::byte(9));
  CHECK(problem("\"AQI=\"", bytes, list).empty());
  CHECK(list == byte_list{std::byte(1), std::byte(2)});
}

TEST_CASE("an array of bytes has just its length")
{
  CHECK(read<two_bytes>("\"AQI=\"", bytes) == two_bytes{std::byte(1), std::byte(2)});
  CHECK(failure<two_bytes>("\"AQ==\"", bytes) == "expected base64 of 2 bytes");
  CHECK(failure<two_bytes>("\"AQID\"", bytes) == "expected base64 of 2 bytes");
  CHECK(failure<two_bytes>("\"\"", bytes) == "expected base64 of 2 bytes");
  CHECK(failure<two_bytes>("\"A\"", bytes) == "expected base64");
  CHECK(failure<std::array<std::byte, 0>>("\"\"", bytes).empty());
  CHECK(failure<std::array<std::byte, 0>>("\"AA==\"", bytes) == "expected base64 of 0 bytes");
}

TEST_CASE("a document of one kind is that kind only")
{
  CHECK(read<boost::json::value>("null", document).is_null());
  CHECK(read<boost::json::object>(R"( {"a":1})", document).at("a") == 1);
  CHECK(read<boost::json::array>("[1,2]", document).size() == 2);
  CHECK(read<boost::json::string>(R"("a\u0041")", document) == "aA");
  CHECK(failure<boost::json::object>("[1]", document) == "expected an object, got an array");
  CHECK(failure<boost::json::array>("{}", document) == "expected an array, got an object");
  CHECK(failure<boost::json::string>("null", document) == "expected a string, got null");
  CHECK(failure<boost::json::string>("1", document) == "expected a string, got a number");
  CHECK(failure<boost::json::array>("", document) == "the message is empty");
}

} // namespace json_scalars_test
