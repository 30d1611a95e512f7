// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/json_failure.hpp>
#include <cohort/message/json_text.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace cohort::detail {

/// Takes a JSON text apart from its beginning to its end, without building anything of it.
///
/// The functions that return bool return false when the text is not what they ask for; the error is
/// set then, and nothing more may be asked.
class json_reader : public json_failure {
public:
  json_reader(std::string_view text, decode_error& error) noexcept
      : json_failure(error),
        text_(text)
  {
  }

  /// Tells what is there instead.
  bool fail_expected(std::string_view what);

  /// The first character of what comes next; 0 at the end.
  char peek() noexcept;
  /// Takes `null`, `true` or `false` when that is what comes.
  bool take(std::string_view word) noexcept;
  /// Its text as it is.
  bool read_number(std::string_view& number, std::string_view expected);
  template <class String>
  bool read_string(String& string);
  /// The same without a copy where there are no escapes; valid until the next call.
  bool read_string_view(std::string_view& string);
  /// Calls `read_value(key)` for each member of an object; the key is valid until it reads.
  template <class ReadValue>
  bool read_object(ReadValue read_value);
  /// Calls `read_element(index)` for each element of an array.
  template <class ReadElement>
  bool read_array(ReadElement read_element);
  bool skip_value();
  /// Whether nothing but white space is left.
  bool read_end();

  /// For a value that is read by other means: what is left of the text and of the depth.
  std::string_view rest() const noexcept { return text_.substr(at_); }
  unsigned depth_left() const noexcept { return json_max_depth - depth_; }
  void advance(std::size_t size) noexcept { at_ += size; }

  /// To read something twice.
  std::size_t position() const noexcept { return at_; }
  void go_to(std::size_t position) noexcept { at_ = position; }

private:
  bool fail_syntax(std::string_view what);
  bool enter();
  /// After a value in an object or array: takes the comma, or the bracket and sets `more` to false.
  bool read_separator(char bracket, bool& more);
  void skip_digits() noexcept;
  template <class String>
  bool read_escape(String& string);
  bool read_code_unit(std::uint32_t& unit);

  std::string_view text_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
  std::string unescaped_;
};

// Implementation

inline bool json_reader::fail_expected(std::string_view what)
{
  const char first = peek();
  const auto rest_is = [&](std::string_view word) { return rest().starts_with(word); };
  std::string_view got;
  if (first == '{') got = "an object";
  else if (first == '[') got = "an array";
  else if (first == '"') got = "a string";
  else if (first == '-' || (first >= '0' && first <= '9')) got = "a number";
  else if (rest_is("true") || rest_is("false")) got = "a boolean";
  else if (rest_is("null")) got = "null";
  else return fail_syntax(what);
  return fail("expected " + std::string(what) + ", got " + std::string(got));
}

inline bool json_reader::fail_syntax(std::string_view what)
{
  if (text_.empty()) return fail("the message is empty");
  const auto place = at_ >= text_.size() ? "at the end" : "at byte " + std::to_string(at_);
  return fail("not JSON: expected " + std::string(what) + ' ' + place);
}

inline char json_reader::peek() noexcept
{
  for (; at_ != text_.size(); ++at_) {
    const char c = text_[at_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
  }
  return 0;
}

inline bool json_reader::take(std::string_view word) noexcept
{
  if (peek() != word.front() || text_.compare(at_, word.size(), word) != 0) return false;
  at_ += word.size();
  return true;
}

inline void json_reader::skip_digits() noexcept
{
  while (at_ != text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
}

inline bool json_reader::read_number(std::string_view& number, std::string_view expected)
{
  const char first = peek();
  if (first != '-' && (first < '0' || first > '9')) return fail_expected(expected);
  const auto begin = at_;
  const auto next_is = [&](char one, char other) {
    return at_ != text_.size() && (text_[at_] == one || text_[at_] == other);
  };
  const auto digits = [&] {
    const auto before = at_;
    skip_digits();
    return at_ != before || fail_syntax("a digit");
  };
  at_ += first == '-';
  if (next_is('0', '0')) ++at_;
  else if (!digits()) return false;
  if (next_is('.', '.')) {
    ++at_;
    if (!digits()) return false;
  }
  if (next_is('e', 'E')) {
    ++at_;
    at_ += next_is('+', '-');
    if (!digits()) return false;
  }
  number = text_.substr(begin, at_ - begin);
  return true;
}

template <class String>
bool json_reader::read_string(String& string)
{
  if (peek() != '"') return fail_expected("a string");
  ++at_;
  string.clear();
  for (;;) {
    const auto run = plain_json_run(rest());
    string.append(text_.data() + at_, run);
    at_ += run;
    if (at_ == text_.size()) return fail_syntax("'\"'");
    if (text_[at_] == '"') break;
    if (text_[at_] != '\\') return fail_syntax("no control character");
    ++at_;
    if (!read_escape(string)) return false;
  }
  ++at_;
  return true;
}

inline bool json_reader::read_string_view(std::string_view& string)
{
  if (peek() != '"') return fail_expected("a string");
  const auto begin = at_ + 1;
  const auto run = plain_json_run(text_.substr(begin));
  if (begin + run != text_.size() && text_[begin + run] == '"') {
    string = text_.substr(begin, run);
    at_ = begin + run + 1;
    return true;
  }
  if (!read_string(unescaped_)) return false;
  string = unescaped_;
  return true;
}

template <class String>
bool json_reader::read_escape(String& string)
{
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  const char c = at_ == text_.size() ? '\0' : text_[at_];
  if (const auto which = letters.find(c); which != letters.npos) {
    ++at_;
    string.push_back(meanings[which]);
    return true;
  }
  if (c != 'u') return fail_syntax("an escape");
  ++at_;
  std::uint32_t code = 0;
  if (!read_code_unit(code)) return false;
  if (code >= 0xd800 && code < 0xe000) {
    std::uint32_t low = 0;
    if (code >= 0xdc00 || text_.compare(at_, 2, "\\u") != 0)
      return fail_syntax("the other half of a surrogate pair");
    at_ += 2;
    if (!read_code_unit(low)) return false;
    if (low < 0xdc00 || low >= 0xe000) return fail_syntax("the other half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  append_utf8(string, code);
  return true;
}

inline bool json_reader::read_code_unit(std::uint32_t& unit)
{
  const auto digits = text_.substr(at_, 4);
  const auto end = digits.data() + digits.size();
  const auto [last, code] = std::from_chars(digits.data(), end, unit, 16);
  if (digits.size() != 4 || last != end || code != std::errc())
    return fail_syntax("four hexadecimal digits");
  at_ += 4;
  return true;
}

inline bool json_reader::enter()
{
  if (depth_ == json_max_depth) return fail("nested too deeply");
  ++depth_;
  ++at_;
  return true;
}

inline bool json_reader::read_separator(char bracket, bool& more)
{
  const char c = peek();
  if (c != ',' && c != bracket) return fail_syntax(bracket == '}' ? "',' or '}'" : "',' or ']'");
  ++at_;
  more = c == ',';
  depth_ -= !more;
  return true;
}

template <class ReadValue>
bool json_reader::read_object(ReadValue read_value)
{
  if (peek() != '{') return fail_expected("an object");
  if (!enter()) return false;
  bool more = peek() != '}';
  if (!more) return read_separator('}', more);
  while (more) {
    std::string_view key;
    if (peek() != '"') return fail_syntax("a key");
    if (!read_string_view(key)) return false;
    if (peek() != ':') return fail_syntax("':'");
    ++at_;
    if (!read_value(key) || !read_separator('}', more)) return false;
  }
  return true;
}

template <class ReadElement>
bool json_reader::read_array(ReadElement read_element)
{
  if (peek() != '[') return fail_expected("an array");
  if (!enter()) return false;
  bool more = peek() != ']';
  if (!more) return read_separator(']', more);
  for (std::size_t index = 0; more; ++index)
    if (!read_element(index) || !read_separator(']', more)) return false;
  return true;
}

inline bool json_reader::skip_value()
{
  switch (peek()) {
  case '{': return read_object([this](std::string_view) { return skip_value(); });
  case '[': return read_array([this](std::size_t) { return skip_value(); });
  case '"': {
    std::string_view string;
    return read_string_view(string);
  }
  case 't':
  case 'f':
  case 'n': return take("true") || take("false") || take("null") || fail_syntax("a value");
  default: {
    std::string_view number;
    return read_number(number, "a value");
  }
  }
}

inline bool json_reader::read_end()
{
  peek();
  return at_ == text_.size() || fail_syntax("nothing more");
}

} // namespace cohort::detail
