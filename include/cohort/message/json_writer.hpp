// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/error.hpp>
#include <cohort/message/byte_sink.hpp>
#include <cohort/message/json_number.hpp>
#include <cohort/message/json_text.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace cohort::detail {

/// Puts JSON's tokens into a byte_sink. `finish` has to be called at the end.
class json_writer {
public:
  explicit json_writer(byte_sink& sink) noexcept : sink_(sink) {}
  json_writer(const json_writer&) = delete;
  json_writer& operator=(const json_writer&) = delete;

  void put(char c)
  {
    *room(1) = c;
    ++used_;
  }
  void put(std::string_view text);
  template <std::integral Integer>
  void put_number(Integer number);
  template <std::floating_point Floating>
  void put_number(Floating number)
  {
    put_floating(number);
  }
  /// So that a reader who knows no types takes it for a double: `1.0`.
  void put_double(double number);
  void put_string(std::string_view text);
  /// In base64, which is a string as it is.
  void put_bytes(std::span<const std::byte> bytes);

  /// Around arrays and objects. Throws for one too deep, which the peer would refuse.
  void open(char bracket);
  void close(char bracket);

  void finish() { flush(); }

private:
  char* room(std::size_t size);
  void flush();
  // What it wrote, until more is put.
  template <std::floating_point Floating>
  std::string_view put_floating(Floating number);
  void put_escaped(char c);

  byte_sink& sink_;
  unsigned depth_ = 0;
  std::size_t used_ = 0;
  std::array<char, 512> buffer_;
};

// Implementation

inline void json_writer::flush()
{
  sink_.append(std::string_view(buffer_.data(), used_));
  used_ = 0;
}

inline char* json_writer::room(std::size_t size)
{
  if (buffer_.size() - used_ < size) flush();
  return buffer_.data() + used_;
}

inline void json_writer::put(std::string_view text)
{
  if (text.size() > buffer_.size() / 2) {
    flush();
    sink_.append(text);
    return;
  }
  std::memcpy(room(text.size()), text.data(), text.size());
  used_ += text.size();
}

template <std::integral Integer>
void json_writer::put_number(Integer number)
{
  using wide = std::conditional_t<std::is_signed_v<Integer>, std::int64_t, std::uint64_t>;
  constexpr std::size_t longest = 20;
  char* const first = room(longest);
  const auto written = std::to_chars(first, first + longest, wide{number});
  used_ += static_cast<std::size_t>(written.ptr - first);
}

template <std::floating_point Floating>
std::string_view json_writer::put_floating(Floating number)
{
  // The shortest text that gives the same number again, as long as `-1.7976931348623157e+308`.
  constexpr std::size_t longest = 32;
  char* const first = room(longest);
  char* last = first;
  if (std::isfinite(number)) {
    last = std::to_chars(first, first + longest, number).ptr;
  } else {
    const std::string_view text = std::isnan(number) ? "null" : json_infinity;
    if (number < 0) *last++ = '-';
    last = std::copy(text.begin(), text.end(), last);
  }
  used_ += static_cast<std::size_t>(last - first);
  return std::string_view(first, last);
}

inline void json_writer::put_double(double number)
{
  const std::string_view text = put_floating(number);
  if (std::isfinite(number) && text.find_first_of(".e") == text.npos) put(".0");
}

inline void json_writer::put_string(std::string_view text)
{
  put('"');
  for (;;) {
    const auto run = plain_json_run(text);
    put(text.substr(0, run));
    if (run == text.size()) break;
    put_escaped(text[run]);
    text.remove_prefix(run + 1);
  }
  put('"');
}

inline void json_writer::put_escaped(char c)
{
  constexpr std::string_view special = "\"\\\b\f\n\r\t";
  constexpr std::string_view letters = "\"\\bfnrt";
  constexpr std::string_view hexadecimal = "0123456789abcdef";
  put('\\');
  if (const auto at = special.find(c); at != special.npos) return put(letters[at]);
  put("u00");
  put(hexadecimal[static_cast<unsigned char>(c) >> 4]);
  put(hexadecimal[c & 15]);
}

inline void json_writer::put_bytes(std::span<const std::byte> bytes)
{
  put('"');
  while (!bytes.empty()) {
    const auto size = bytes.size() < 3 ? bytes.size() : 3;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i != 3; ++i)
      group = group << 8 | (i < size ? std::to_integer<std::uint32_t>(bytes[i]) : 0);
    char* const out = room(4);
    for (std::size_t i = 0; i != 4; ++i)
      out[i] = i <= size ? base64_alphabet[group >> (18 - 6 * i) & 63] : '=';
    used_ += 4;
    bytes = bytes.subspan(size);
  }
  put('"');
}

inline void json_writer::open(char bracket)
{
  if (depth_ == json_max_depth)
    throw std::system_error(error::invalid_message, "nested too deeply for JSON");
  ++depth_;
  put(bracket);
}

inline void json_writer::close(char bracket)
{
  put(bracket);
  --depth_;
}

} // namespace cohort::detail
