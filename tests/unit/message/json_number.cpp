// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_number.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace json_number_test {

using namespace cohort::detail;

namespace {

/// In memory of its own, so that a sanitizer sees each step beyond the end.
template <class Number>
auto with_copy(std::string_view text, Number number)
{
  const std::vector<char> copy(text.begin(), text.end());
  return number(std::string_view(copy.data(), copy.size()));
}

template <std::integral Integer>
std::optional<Integer> integer(std::string_view text)
{
  return with_copy(text, [](std::string_view copy) {
    Integer value = 99;
    return to_integer(copy, value) == json_fit::exact ? std::optional(value) : std::nullopt;
  });
}

template <std::integral Integer>
json_fit fit(std::string_view text)
{
  return with_copy(text, [](std::string_view copy) {
    Integer value = 99;
    return to_integer(copy, value);
  });
}

template <std::floating_point Floating>
std::optional<Floating> floating(std::string_view text)
{
  return with_copy(text, [](std::string_view copy) {
    Floating value = 99;
    return to_floating(copy, value) ? std::optional(value) : std::nullopt;
  });
}

std::uint64_t bits(std::string_view text)
{
  return std::bit_cast<std::uint64_t>(floating<double>(text).value());
}

/// Digits and magnitude, as in `-0.123e4`.
std::string taken_apart(std::string_view text)
{
  return with_copy(text, [](std::string_view copy) {
    const json_decimal decimal(copy);
    const auto kept = std::min(decimal.count, decimal.digits.size());
    return (decimal.negative ? "-0." : "0.") + std::string(decimal.digits.data(), kept) + 'e' +
           std::to_string(decimal.magnitude);
  });
}

template <std::integral Integer>
void check_limits()
{
  using limits = std::numeric_limits<Integer>;
  const auto after = [](std::string digits) {
    for (auto i = digits.size(); i-- != 0;) {
      if (digits[i] != '9') {
        ++digits[i];
        break;
      }
      digits[i] = '0';
    }
    return digits;
  };
  const std::string first = std::to_string(limits::min()), last = std::to_string(limits::max());
  CHECK(integer<Integer>(first) == limits::min());
  CHECK(integer<Integer>(last) == limits::max());
  CHECK(integer<Integer>(last + ".0") == limits::max());
  CHECK(integer<Integer>(first + "e0") == limits::min());
  CHECK(integer<Integer>(last + "0e-1") == limits::max());
  CHECK(fit<Integer>(after(last)) == json_fit::too_large);
  CHECK(fit<Integer>(after(last) + ".0") == json_fit::too_large);
  const std::string before = std::is_signed_v<Integer> ? after(first) : "-1";
  CHECK(fit<Integer>(before) == json_fit::too_large);
  CHECK(fit<Integer>(before + ".0") == json_fit::too_large);
}

} // namespace

TEST_CASE("a number's text is taken apart into digits and a magnitude")
{
  CHECK(taken_apart("1") == "0.1e1");
  CHECK(taken_apart("-12") == "-0.12e2");
  CHECK(taken_apart("1200") == "0.12e4");
  CHECK(taken_apart("1.5") == "0.15e1");
  CHECK(taken_apart("10.50") == "0.105e2");
  CHECK(taken_apart("0.00105") == "0.105e-2");
  CHECK(taken_apart("5e3") == "0.5e4");
  CHECK(taken_apart("5E+3") == "0.5e4");
  CHECK(taken_apart("500.0e-2") == "0.5e1");
  CHECK(taken_apart("0.001e-2") == "0.1e-4");
  CHECK(json_decimal("0").count == 0);
  CHECK(json_decimal("-0.000e9").count == 0);
  CHECK(json_decimal("-0.000e9").negative);
}

TEST_CASE("more digits than any integer has are counted but not kept")
{
  CHECK(taken_apart("123456789012345678901234.5") == "0.12345678901234567890e24");
  CHECK(json_decimal("123456789012345678901234.5").count == 25);
  CHECK(json_decimal("1" + std::string(30, '0') + "2").count == 32);
  CHECK(json_decimal("1" + std::string(30, '0')).count == 1);
}

TEST_CASE("an exponent of any length is far beyond every type, and no overflow")
{
  const std::string nines(10'000, '9');
  CHECK(json_decimal("1e" + nines).magnitude > 1'000'000'000);
  CHECK(json_decimal("1e-" + nines).magnitude < -1'000'000'000);
  CHECK(json_decimal("1e" + std::string(10'000, '0') + "2").magnitude == 3);
}

TEST_CASE("integers are exact up to the limits of their types and refused beyond")
{
  check_limits<std::int8_t>();
  check_limits<std::uint8_t>();
  check_limits<std::int16_t>();
  check_limits<std::uint16_t>();
  check_limits<std::int32_t>();
  check_limits<std::uint32_t>();
  check_limits<std::int64_t>();
  check_limits<std::uint64_t>();
  check_limits<char>();
  CHECK(integer<int>("0") == 0);
  CHECK(integer<int>("-0") == 0);
  CHECK(fit<std::int64_t>("-9223372036854775809") == json_fit::too_large);
  CHECK(fit<std::uint64_t>("18446744073709551616") == json_fit::too_large);
  CHECK(fit<std::uint64_t>("99999999999999999999") == json_fit::too_large);
  CHECK(fit<std::uint64_t>("100000000000000000000") == json_fit::too_large);
}

TEST_CASE("integers may be written as other numbers, as long as they are exact")
{
  CHECK(integer<int>("5.0") == 5);
  CHECK(integer<int>("-5e0") == -5);
  CHECK(integer<int>("0.5e1") == 5);
  CHECK(integer<int>("1200e-2") == 12);
  CHECK(integer<int>("12E2") == 1200);
  CHECK(integer<int>("12e+02") == 1200);
  CHECK(integer<unsigned>("-0") == 0u);
  CHECK(integer<unsigned>("-0.0e7") == 0u);
  CHECK(integer<int>("0e999999999999999999999") == 0);
  CHECK(integer<std::int64_t>("-9.223372036854775808e18") ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(integer<std::uint64_t>("1e19") == 10'000'000'000'000'000'000u);
  // As a double it would be another number.
  CHECK(integer<std::int64_t>("9007199254740993.0") == 9007199254740993);
  CHECK(integer<int>("1" + std::string(1000, '0') + "e-1000") == 1);
  CHECK(integer<int>("0." + std::string(1000, '0') + "1e1001") == 1);
}

TEST_CASE("a number with a fraction is no integer, however small or large it is")
{
  for (const auto* text : {"5.5", "1e-1", "0.000001", "-0.5", "1e-99999999999999999999",
           "9007199254740993.5", "100000000000000000000000000000.5", "18446744073709551615.1"}) {
    CAPTURE(text);
    CHECK(fit<std::int64_t>(text) == json_fit::fractional);
  }
}

TEST_CASE("an integer beyond all types is too large")
{
  for (const auto* text : {"1e20", "1e21", "-1e99", "1e99999999999999999999",
           "123456789012345678901", "123456789012345678901.0"}) {
    CAPTURE(text);
    CHECK(fit<std::int64_t>(text) == json_fit::too_large);
    CHECK(fit<std::uint64_t>(text) == json_fit::too_large);
  }
  CHECK(fit<unsigned>("-1.0") == json_fit::too_large);
}

TEST_CASE("doubles are those nearest to their texts")
{
  CHECK(bits("0") == 0);
  CHECK(bits("-0") == 0x8000000000000000);
  CHECK(bits("-0.0e5") == 0x8000000000000000);
  CHECK(bits("0.1") == 0x3fb999999999999a);
  CHECK(bits("-1.5") == 0xbff8000000000000);
  CHECK(bits("1.7976931348623157e308") == 0x7fefffffffffffff);
  CHECK(bits("2.2250738585072014E-308") == 0x0010000000000000);
  CHECK(bits("5e-324") == 1);
  // Halfway between two: the even one, until a digit far behind decides.
  CHECK(bits("9007199254740993") == bits("9007199254740992"));
  CHECK(bits("9007199254740993." + std::string(500, '0') + "1") == bits("9007199254740994"));
  CHECK(bits("2.2250738585072011e-308") == 0x000fffffffffffff);
  // Nearer to the largest than to what would come next.
  CHECK(bits("1.7976931348623158e308") == 0x7fefffffffffffff);
  CHECK(floating<float>("0.1") == 0.1f);
  CHECK(floating<float>("16777217") == 16777216.0f);
  CHECK(floating<float>("3.4028235e38") == std::numeric_limits<float>::max());
  CHECK(floating<float>("1e-45") == std::numeric_limits<float>::denorm_min());
}

TEST_CASE("a number that is too small is the zero of its sign")
{
  CHECK(bits("1e-400") == 0);
  CHECK(bits("-1e-400") == 0x8000000000000000);
  CHECK(bits("-0.0001e-400") == 0x8000000000000000);
  CHECK(bits("1e-99999999999999999999999") == 0);
  CHECK(bits("0e99999") == 0);
  CHECK(bits("0." + std::string(1000, '0') + "1") == 0);
  CHECK(bits("3e-324") == 1);
  CHECK(bits("2e-324") == 0);
  CHECK(floating<float>("1e-50") == 0.0f);
  CHECK(bits("0." + std::string(400, '0') + "1e401") == bits("1"));
}

TEST_CASE("a number that is too large is refused, but for the text of infinity")
{
  for (const auto* text : {"1e400", "-1e400", "1e309", "1.7976931348623159e308", "1e99998",
           "1E99999", "1e+99999", "10e99999", "1e999999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(floating<double>(text));
  }
  CHECK_FALSE(floating<double>("1" + std::string(400, '0')));
  CHECK_FALSE(floating<float>("1e39"));
  CHECK(floating<double>("1e39") == 1e39);
  CHECK(floating<double>(json_infinity) == std::numeric_limits<double>::infinity());
  CHECK(floating<double>("-1e99999") == -std::numeric_limits<double>::infinity());
  CHECK(floating<float>("-1e99999") == -std::numeric_limits<float>::infinity());
}

} // namespace json_number_test
