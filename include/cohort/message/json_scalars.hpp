// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/json_document.hpp>
#include <cohort/message/json_number.hpp>
#include <cohort/message/json_reader.hpp>
#include <cohort/message/json_types.hpp>

#include <boost/describe/enumerators.hpp>
#include <boost/json/value.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// Out of JSON: what consists of no other types.
namespace cohort::detail {

template <class T>
bool read_json_integer(json_reader& in, T& value)
{
  std::string_view text;
  if (!in.read_number(text, "an integer")) return false;
  switch (to_integer(text, value)) {
  case json_fit::exact: return true;
  case json_fit::fractional: return in.fail("expected an integer, got " + printable(text));
  case json_fit::too_large: break;
  }
  using limits = std::numeric_limits<T>;
  return in.fail("expected an integer from " + std::to_string(limits::min()) + " to " +
                 std::to_string(limits::max()) + ", got " + printable(text));
}

template <class T>
bool read_json_floating(json_reader& in, T& value)
{
  if (in.take("null")) {
    value = std::numeric_limits<T>::quiet_NaN();
    return true;
  }
  std::string_view text;
  if (!in.read_number(text, "a number")) return false;
  return to_floating(text, value) || in.fail("too large a number: " + printable(text));
}

template <class T>
bool read_json_number(json_reader& in, T& value)
{
  if constexpr (std::is_floating_point_v<T>) return read_json_floating(in, value);
  else return read_json_integer(in, value);
}

template <class T>
bool read_json_enum(json_reader& in, T& value)
{
  if constexpr (json_named_enum<T>) {
    std::string_view name;
    if (!in.read_string_view(name)) return false;
    bool found = false;
    mp::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto enumerator) {
      if (found || enumerator.name != name) return;
      found = true;
      value = enumerator.value;
    });
    return found || in.fail("unknown name \"" + printable(name) + '"');
  } else {
    std::underlying_type_t<T> number{};
    if (!read_json_integer(in, number)) return false;
    value = static_cast<T>(number);
    return true;
  }
}

template <class T>
bool read_json_document_as(json_reader& in, T& document)
{
  boost::json::value value;
  if constexpr (std::same_as<T, boost::json::value>) {
    return read_json_document(in, document);
  } else {
    constexpr bool object = std::same_as<T, boost::json::object>;
    constexpr bool array = std::same_as<T, boost::json::array>;
    if (in.peek() != (object ? '{' : array ? '[' : '"'))
      return in.fail_expected(object ? "an object" : array ? "an array" : "a string");
    if (!read_json_document(in, value)) return false;
    if constexpr (object) document = std::move(value.get_object());
    else if constexpr (array) document = std::move(value.get_array());
    else document = std::move(value.get_string());
    return true;
  }
}

/// Strictly as RFC 4648 has it: padded, nothing in between.
template <class Put>
bool read_base64(json_reader& in, Put put)
{
  std::string_view text;
  if (!in.read_string_view(text)) return false;
  const auto fail = [&] { return in.fail("expected base64"); };
  if (text.size() % 4 != 0) return fail();
  while (!text.empty()) {
    // Only the last group has padding.
    const bool last = text.size() == 4;
    const std::size_t padding = !last || text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i != 4 - padding; ++i) {
      const auto digit = base64_alphabet.find(text[i]);
      if (digit == base64_alphabet.npos) return fail();
      group |= static_cast<std::uint32_t>(digit) << (18 - 6 * i);
    }
    if (group & ((1u << 8 * padding) - 1)) return fail();
    for (std::size_t i = 0; i != 3 - padding; ++i)
      if (!put(static_cast<std::byte>(group >> (16 - 8 * i)))) return false;
    text.remove_prefix(4);
  }
  return true;
}

template <class T>
bool read_json_bytes(json_reader& in, T& value)
{
  if constexpr (is_instance<T, std::vector>) {
    value.clear();
    return read_base64(in, [&](std::byte byte) {
      value.push_back(byte);
      return true;
    });
  } else {
    constexpr auto size = std::tuple_size_v<T>;
    std::size_t count = 0;
    const auto fail = [&] {
      return in.fail("expected base64 of " + std::to_string(size) + " bytes");
    };
    const bool read = read_base64(in, [&](std::byte byte) {
      if (count == size) return fail();
      value[count++] = byte;
      return true;
    });
    return read && (count == size || fail());
  }
}

} // namespace cohort::detail
