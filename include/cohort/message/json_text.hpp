// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cohort::detail {

/// Nothing may be nested deeper: Boost.JSON's default.
inline constexpr unsigned json_max_depth = 32;

inline constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The length of the run at the beginning of `text` that a JSON string holds as it is: no quote,
/// no backslash, no control character.
std::size_t plain_json_run(std::string_view text) noexcept;

/// Appends a code point in UTF-8.
template <class String>
void append_utf8(String& string, std::uint32_t code);

/// What came from another process, fit for a line of text that people read.
std::string printable(std::string_view text);

// Implementation

inline std::size_t plain_json_run(std::string_view text) noexcept
{
  constexpr std::uint64_t ones = 0x0101010101010101u;
  constexpr std::uint64_t tops = ones * 0x80;
  const auto has_zero = [](std::uint64_t word) { return (word - ones) & ~word & tops; };
  std::size_t done = 0;
  for (std::uint64_t word; text.size() - done >= sizeof word; done += sizeof word) {
    std::memcpy(&word, text.data() + done, sizeof word);
    const auto control = (word - ones * 0x20) & ~word & tops;
    if (control | has_zero(word ^ (ones * '"')) | has_zero(word ^ (ones * '\\'))) break;
  }
  for (; done != text.size(); ++done) {
    const char c = text[done];
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) break;
  }
  return done;
}

template <class String>
void append_utf8(String& string, std::uint32_t code)
{
  const auto put = [&](std::uint32_t byte) { string.push_back(static_cast<char>(byte)); };
  const auto put_rest = [&](unsigned shift) { put(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put_rest(0);
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put_rest(6);
    put_rest(0);
  } else {
    put(0xf0 | code >> 18);
    put_rest(12);
    put_rest(6);
    put_rest(0);
  }
}

inline std::string printable(std::string_view text)
{
  constexpr std::size_t enough = 40;
  std::string line(text.substr(0, enough));
  for (char& c : line)
    if (c < ' ' || c > '~') c = '?';
  if (text.size() > enough) line += "...";
  return line;
}

} // namespace cohort::detail
