// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_text.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace json_text_test {

using namespace cohort::detail;

namespace {

/// In memory of its own, so that a sanitizer sees each step beyond the end.
std::size_t run_of(std::string_view text)
{
  const std::vector<char> copy(text.begin(), text.end());
  return plain_json_run({copy.data(), copy.size()});
}

std::string utf8(std::uint32_t code)
{
  std::string text = "<";
  append_utf8(text, code);
  return text.substr(1);
}

} // namespace

TEST_CASE("a plain run ends before quotes, backslashes and control characters, and only there")
{
  for (int byte = 0; byte != 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool plain = byte >= 0x20 && c != '"' && c != '\\';
    CAPTURE(byte);
    // Alone, and at each place of what is looked at eight at a time, and of what is behind that.
    CHECK(run_of(std::string(1, c)) == (plain ? 1 : 0));
    for (const char around : {'x', '!', '\x7f', '\x80', '\xff', ' ', '#', ']'})
      for (std::size_t at = 0; at != 20; ++at) {
        std::string text(20, around);
        text[at] = c;
        if (run_of(text) != (plain ? text.size() : at)) FAIL_CHECK("wrong at " << at);
      }
  }
}

TEST_CASE("a plain run may be of any length, none too")
{
  for (std::size_t size = 0; size != 40; ++size) {
    CHECK(run_of(std::string(size, 'x')) == size);
    CHECK(run_of(std::string(size, 'x') + '"') == size);
    CHECK(run_of(std::string(size, 'x') + "\n\"") == size);
  }
}

TEST_CASE("a code point takes as many bytes of UTF-8 as it has to")
{
  CHECK(utf8(0) == std::string(1, '\0'));
  CHECK(utf8('A') == "A");
  CHECK(utf8(0x7f) == "\x7f");
  CHECK(utf8(0x80) == "\xc2\x80");
  CHECK(utf8(0xe4) == "\xc3\xa4");
  CHECK(utf8(0x7ff) == "\xdf\xbf");
  CHECK(utf8(0x800) == "\xe0\xa0\x80");
  CHECK(utf8(0x20ac) == "\xe2\x82\xac");
  CHECK(utf8(0xffff) == "\xef\xbf\xbf");
  CHECK(utf8(0x10000) == "\xf0\x90\x80\x80");
  CHECK(utf8(0x1f600) == "\xf0\x9f\x98\x80");
  CHECK(utf8(0x10ffff) == "\xf4\x8f\xbf\xbf");
}

TEST_CASE("a printable line has nothing but printable characters of ASCII, and few of them")
{
  CHECK(printable("").empty());
  CHECK(printable("a b~") == "a b~");
  CHECK(printable(std::string_view("\0\n\x1f\x7f\x80\xff", 6)) == "??????");
  CHECK(printable(std::string(40, 'x')) == std::string(40, 'x'));
  CHECK(printable(std::string(41, 'x')) == std::string(40, 'x') + "...");
  CHECK(printable(std::string(1'000'000, '\n')) == std::string(40, '?') + "...");
}

TEST_CASE("base64 has its 64 digits, in order")
{
  CHECK(base64_alphabet.size() == 64);
  CHECK(std::set<char>(base64_alphabet.begin(), base64_alphabet.end()).size() == 64);
  CHECK(base64_alphabet.find('A') == 0);
  CHECK(base64_alphabet.find('a') == 26);
  CHECK(base64_alphabet.find('0') == 52);
  CHECK(base64_alphabet.substr(62) == "+/");
}

} // namespace json_text_test
