// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace cohort::detail {

/// How JSON texts write infinity, Boost.JSON's serializer too: a number that no type can hold.
inline constexpr std::string_view json_infinity = "1e99999";

enum class json_fit { exact, fractional, too_large };

/// A number's text (of JSON's grammar) taken apart: 0.d1d2d3... * 10^magnitude.
struct json_decimal {
  explicit json_decimal(std::string_view text);

  bool negative = false;
  /// Without zeros at either end; the first ones only, when there are more than any integer has.
  std::array<char, 20> digits;
  std::size_t count = 0;
  long long magnitude = 0;
};

/// The integer that `text` is, also when it is written as `5.0` or `5e3`.
template <std::integral Integer>
json_fit to_integer(std::string_view text, Integer& value);

/// The value nearest to what `text` says; false when it is too large to be one.
template <std::floating_point Floating>
bool to_floating(std::string_view text, Floating& value);

// Implementation

inline json_decimal::json_decimal(std::string_view text)
{
  const auto mantissa = text.substr(0, std::min(text.find_first_of("eE"), text.size()));
  std::size_t zeros = 0;
  bool fraction = false;
  for (const char c : mantissa) {
    if (c == '-') negative = true;
    else if (c == '.') fraction = true;
    else if (c == '0' && count == 0) magnitude -= fraction;
    else {
      magnitude += !fraction;
      if (c == '0') {
        ++zeros;
        continue;
      }
      for (; zeros != 0; --zeros, ++count)
        if (count < digits.size()) digits[count] = '0';
      if (count < digits.size()) digits[count] = c;
      ++count;
    }
  }
  if (mantissa.size() == text.size()) return;
  // Enough to be beyond every type, too little to overflow the sum.
  constexpr long long enough = 1'000'000'000'000;
  auto exponent = text.substr(mantissa.size() + 1);
  const bool down = exponent.front() == '-';
  if (down || exponent.front() == '+') exponent.remove_prefix(1);
  long long power = 0;
  for (const char c : exponent) power = std::min(enough, power * 10 + (c - '0'));
  magnitude += down ? -power : power;
}

template <std::integral Integer>
json_fit to_integer(std::string_view text, Integer& value)
{
  using wide = std::conditional_t<std::is_signed_v<Integer>, std::int64_t, std::uint64_t>;
  using limits = std::numeric_limits<Integer>;
  const auto narrow = [&](wide number) {
    if (number < wide{limits::min()} || number > wide{limits::max()}) return json_fit::too_large;
    value = static_cast<Integer>(number);
    return json_fit::exact;
  };
  wide number = 0;
  const char* const end = text.data() + text.size();
  const auto plain = std::from_chars(text.data(), end, number);
  if (plain.ec == std::errc() && plain.ptr == end) return narrow(number);

  const json_decimal decimal(text);
  if (decimal.count == 0) return narrow(0);
  if (decimal.magnitude < static_cast<long long>(decimal.count)) return json_fit::fractional;
  std::array<char, 21> digits;
  if (decimal.magnitude >= static_cast<long long>(digits.size())) return json_fit::too_large;
  digits.fill('0');
  digits[0] = decimal.negative ? '-' : '0';
  std::copy_n(decimal.digits.begin(), decimal.count, digits.begin() + 1);
  const auto last = digits.data() + 1 + decimal.magnitude;
  const auto whole = std::from_chars(digits.data(), last, number);
  if (whole.ec != std::errc() || whole.ptr != last) return json_fit::too_large;
  return narrow(number);
}

template <std::floating_point Floating>
bool to_floating(std::string_view text, Floating& value)
{
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value).ec != std::errc::result_out_of_range) return true;
  const json_decimal decimal(text);
  const bool tiny = decimal.magnitude <= 0;
  const bool infinite = text.substr(decimal.negative) == json_infinity;
  value = tiny ? Floating() : std::numeric_limits<Floating>::infinity();
  if (decimal.negative) value = -value;
  return tiny || infinite;
}

} // namespace cohort::detail
