// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_reader.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace json_reader_test {

namespace {

using cohort::detail::json_max_depth;
using cohort::detail::json_reader;

/// A reader and its error; the text lies in memory of its own, so that a sanitizer sees each step
/// beyond the end.
struct scene {
  explicit scene(std::string_view from) : text(from.begin(), from.end()) {}

  std::vector<char> text;
  cohort::decode_error error;
  json_reader in{std::string_view(text.data(), text.size()), error};
};

/// What `read` says false to; "none" when it does not.
template <class Read>
std::string failure(std::string_view text, Read read)
{
  scene s(text);
  const bool done = read(s.in);
  CHECK(done == !s.error.code);
  if (!done) CHECK(s.error.code == cohort::error::invalid_message);
  return done ? "none" : s.error.message();
}

const auto skip = [](json_reader& in) { return in.skip_value() && in.read_end(); };

std::string skipped(std::string_view text) { return failure(text, skip); }

std::string number_in(std::string_view text)
{
  scene s(text);
  std::string_view number;
  if (!s.in.read_number(number, "a number")) return s.error.message();
  return std::string(number) + '|' + std::string(s.in.rest());
}

/// By both ways to read it, which have to agree.
std::string string_in(std::string_view text)
{
  scene one(text), other(text);
  std::string string = "not empty";
  std::string_view view;
  const bool read = one.in.read_string(string);
  CHECK(other.in.read_string_view(view) == read);
  CHECK(other.in.position() == one.in.position());
  if (read) CHECK(view == string);
  else CHECK(other.error.message() == one.error.message());
  return read ? string : one.error.message();
}

std::string nested(std::size_t depth, char open = '[', char close = ']')
{
  return std::string(depth, open) + std::string(depth, close);
}

} // namespace

TEST_CASE("what comes next is what is behind white space")
{
  scene s(" \t\r\n x");
  CHECK(s.in.peek() == 'x');
  CHECK(s.in.position() == 5);
  CHECK(s.in.peek() == 'x');
  CHECK(scene("").in.peek() == 0);
  CHECK(scene("  ").in.peek() == 0);
  // Other programming languages' white space is none.
  CHECK(scene("\v1").in.peek() == '\v');
  CHECK(scene("\f1").in.peek() == '\f');
}

TEST_CASE("a word is taken when it is what comes")
{
  scene s(" true false nul");
  CHECK_FALSE(s.in.take("false"));
  CHECK(s.in.take("true"));
  CHECK(s.in.take("false"));
  CHECK_FALSE(s.in.take("null"));
  CHECK(s.in.rest() == "nul");
  CHECK_FALSE(scene("").in.take("null"));
}

TEST_CASE("a number is its text as it is")
{
  for (const std::string_view number : {"0", "-0", "10", "-12", "0.5", "1.50", "1e5", "1E+5",
           "1.5e-05", "123456789012345678901234567890", "0e0"}) {
    CHECK(number_in(number) == std::string(number) + '|');
    CHECK(number_in(" " + std::string(number) + ",1") == std::string(number) + "|,1");
  }
  CHECK(number_in("01") == "0|1");
  CHECK(number_in("1.5.2") == "1.5|.2");
}

TEST_CASE("what is no number is told with its place")
{
  CHECK(number_in("-") == "not JSON: expected a digit at the end");
  CHECK(number_in("-x") == "not JSON: expected a digit at byte 1");
  CHECK(number_in("1.") == "not JSON: expected a digit at the end");
  CHECK(number_in("1.e5") == "not JSON: expected a digit at byte 2");
  CHECK(number_in("1e") == "not JSON: expected a digit at the end");
  CHECK(number_in(" 1e+,") == "not JSON: expected a digit at byte 4");
  CHECK(number_in("+1") == "not JSON: expected a number at byte 0");
  CHECK(number_in(".5") == "not JSON: expected a number at byte 0");
  CHECK(number_in("nan") == "not JSON: expected a number at byte 0");
  CHECK(number_in("\"1\"") == "expected a number, got a string");
}

TEST_CASE("a string is what is between its quotes")
{
  CHECK(string_in(R"("")").empty());
  CHECK(string_in(R"( "text" )") == "text");
  CHECK(string_in("\"a\x7f\x80\xff\"") == "a\x7f\x80\xff");
  CHECK(string_in('"' + std::string(1000, 'x') + '"') == std::string(1000, 'x'));
  scene s(R"("a""b")");
  std::string_view string;
  CHECK(s.in.read_string_view(string));
  CHECK(string.data() == s.text.data() + 1);
  CHECK(s.in.read_string_view(string));
  CHECK(string == "b");
}

TEST_CASE("escapes of another writer are understood")
{
  CHECK(string_in(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(string_in(R"("a\u0041b\u00e4c\u20ACd")") == "aAb\u00e4c\u20acd");
  CHECK(string_in(R"("\u0000")") == std::string(1, '\0'));
  CHECK(string_in(R"("\uffff\ud7ff\ue000")") == "\uffff\ud7ff\ue000");
  CHECK(string_in(R"("\ud83d\ude00")") == "\U0001f600");
  CHECK(string_in(R"("\ud800\udc00\uDBFF\uDFFF")") == "\U00010000\U0010ffff");
}

TEST_CASE("half a surrogate pair is no character")
{
  const std::string missing = "not JSON: expected the other half of a surrogate pair";
  CHECK(string_in(R"("\ud800")") == missing + " at byte 7");
  CHECK(string_in(R"("\ud800x")") == missing + " at byte 7");
  CHECK(string_in(R"("\ud800\n")") == missing + " at byte 7");
  CHECK(string_in(R"("\ud800\u0041")") == missing + " at byte 13");
  CHECK(string_in(R"("\ud800\ud800")") == missing + " at byte 13");
  CHECK(string_in(R"("\udbff\ue000")") == missing + " at byte 13");
  CHECK(string_in(R"("\udc00\ud800")") == missing + " at byte 7");
  CHECK(string_in(R"("\udfff")") == missing + " at byte 7");
  CHECK(string_in(R"("\ud800\udc0)") == "not JSON: expected four hexadecimal digits at byte 9");
}

TEST_CASE("what is no string is told with its place")
{
  CHECK(string_in("\"a\nb\"") == "not JSON: expected no control character at byte 2");
  CHECK(string_in(std::string_view("\"\0\"", 3)) ==
        "not JSON: expected no control character at byte 1");
  CHECK(string_in("\"a") == "not JSON: expected '\"' at the end");
  CHECK(string_in("\"") == "not JSON: expected '\"' at the end");
  CHECK(string_in(R"("\)") == "not JSON: expected an escape at the end");
  CHECK(string_in(R"("\x")") == "not JSON: expected an escape at byte 2");
  CHECK(string_in(R"("\U0041")") == "not JSON: expected an escape at byte 2");
  for (const auto* digits : {"", "1", "12", "123", "12g4", "+123", "-123", " 123", "0x12"})
    CHECK(string_in("\"\\u" + std::string(digits) + '"') ==
          "not JSON: expected four hexadecimal digits at byte 3");
  CHECK(string_in("1") == "expected a string, got a number");
}

TEST_CASE("members of an object are read in their order, however white space lies between")
{
  const auto members = [](std::string_view text) {
    scene s(text);
    std::string seen;
    CHECK(s.in.read_object([&](std::string_view key) {
      seen += std::string(key) + '=';
      std::string_view number;
      CHECK(s.in.read_number(number, "a number"));
      seen += std::string(number) + ' ';
      return true;
    }));
    CHECK(s.in.read_end());
    return seen;
  };
  CHECK(members("{}").empty());
  CHECK(members(" {\n} ").empty());
  CHECK(members(R"({"a":1,"b\u0041":2,"a":3})") == "a=1 bA=2 a=3 ");
  CHECK(members("\t{ \"a\"\r:\n1 , \"\" : 2 }\n") == "a=1 =2 ");
}

TEST_CASE("elements of an array are read in their order, with their indexes")
{
  scene s(" [ 1 ,2, 3] ");
  std::string seen;
  CHECK(s.in.read_array([&](std::size_t index) {
    std::string_view number;
    CHECK(s.in.read_number(number, "a number"));
    seen += std::to_string(index) + '=' + std::string(number) + ' ';
    return true;
  }));
  CHECK(seen == "0=1 1=2 2=3 ");
  CHECK(s.in.read_end());
  scene empty("[ ]");
  CHECK(empty.in.read_array([](std::size_t) { return false; }));
}

TEST_CASE("reading stops where a member or an element could not be read")
{
  int calls = 0;
  scene object(R"({"a":1,"b":2})");
  CHECK_FALSE(object.in.read_object([&](std::string_view) {
    ++calls;
    return object.in.fail("wrong");
  }));
  scene array("[1,2]");
  CHECK_FALSE(array.in.read_array([&](std::size_t) {
    ++calls;
    return array.in.fail("wrong");
  }));
  CHECK(calls == 2);
  CHECK(object.error.reason == "wrong");
  CHECK(array.error.reason == "wrong");
}

TEST_CASE("what is no object or array is told with its place")
{
  CHECK(skipped("[1 2]") == "not JSON: expected ',' or ']' at byte 3");
  CHECK(skipped("[1") == "not JSON: expected ',' or ']' at the end");
  CHECK(skipped("[1}") == "not JSON: expected ',' or ']' at byte 2");
  CHECK(skipped("[1,]") == "not JSON: expected a value at byte 3");
  CHECK(skipped("[,1]") == "not JSON: expected a value at byte 1");
  CHECK(skipped("[") == "not JSON: expected a value at the end");
  CHECK(skipped("{\"name\" 1}") == "not JSON: expected ':' at byte 8");
  CHECK(skipped("{,}") == "not JSON: expected a key at byte 1");
  CHECK(skipped("{1:2}") == "not JSON: expected a key at byte 1");
  CHECK(skipped("{") == "not JSON: expected a key at the end");
  CHECK(skipped("{\"a\":1,}") == "not JSON: expected a key at byte 7");
  CHECK(skipped("{\"a\":}") == "not JSON: expected a value at byte 5");
  CHECK(skipped("{\"a\":1]") == "not JSON: expected ',' or '}' at byte 6");
  CHECK(skipped("{\"a\":1") == "not JSON: expected ',' or '}' at the end");
}

TEST_CASE("a value of another type is told by its kind")
{
  const auto got = [](std::string_view text) {
    return failure(text, [](json_reader& in) { return in.fail_expected("a tree"); });
  };
  CHECK(got(" {}") == "expected a tree, got an object");
  CHECK(got("[") == "expected a tree, got an array");
  CHECK(got("\"\"") == "expected a tree, got a string");
  CHECK(got("7") == "expected a tree, got a number");
  CHECK(got("-7") == "expected a tree, got a number");
  CHECK(got("true") == "expected a tree, got a boolean");
  CHECK(got("false") == "expected a tree, got a boolean");
  CHECK(got("null") == "expected a tree, got null");
  CHECK(got(" x") == "not JSON: expected a tree at byte 1");
  CHECK(got(std::string_view("\0", 1)) == "not JSON: expected a tree at byte 0");
  CHECK(got("  ") == "not JSON: expected a tree at the end");
  CHECK(got("") == "the message is empty");
  CHECK(failure("[]", [](json_reader& in) {
    return in.read_object([](std::string_view) { return true; });
  }) == "expected an object, got an array");
  CHECK(failure("{}", [](json_reader& in) {
    return in.read_array([](std::size_t) { return true; });
  }) == "expected an array, got an object");
}

TEST_CASE("a value of any kind is skipped, if it is JSON")
{
  for (const auto* text : {"null", "true", "false", "-1.5e3", R"("\u0041")", "[]", "{}",
           R"( {"a":[1,{"b":"\\"},-1.5e3,true,false,null],"":{}} )"}) {
    CAPTURE(text);
    CHECK(skipped(text) == "none");
  }
  CHECK(skipped("nul") == "not JSON: expected a value at byte 0");
  CHECK(skipped("True") == "not JSON: expected a value at byte 0");
  CHECK(skipped("nulll") == "not JSON: expected nothing more at byte 4");
  CHECK(skipped("// comment") == "not JSON: expected a value at byte 0");
  CHECK(skipped("\xef\xbb\xbf[]") == "not JSON: expected a value at byte 0");
  CHECK(skipped(R"(["\x"])") == "not JSON: expected an escape at byte 3");
}

TEST_CASE("a text that ends too early is refused wherever it ends")
{
  const std::string text =
      R"({"a":[1.5e+3,"\ud83d\ude00\n",{"b":null}],"c":true,"d":{"e":false},"f":[[],{}]})";
  CHECK(skipped(text) == "none");
  for (std::size_t size = 0; size != text.size(); ++size) {
    CAPTURE(size);
    CHECK(skipped(text.substr(0, size)) != "none");
  }
}

TEST_CASE("nothing but white space is left at the end")
{
  CHECK(skipped("1 \n\t\r ") == "none");
  CHECK(skipped("1 2") == "not JSON: expected nothing more at byte 2");
  CHECK(skipped("01") == "not JSON: expected nothing more at byte 1");
  CHECK(skipped(std::string_view("1\0", 2)) == "not JSON: expected nothing more at byte 1");
}

TEST_CASE("nesting ends where the limit is, for objects too")
{
  CHECK(skipped(nested(json_max_depth)) == "none");
  CHECK(skipped(nested(json_max_depth + 1)) == "nested too deeply");
  CHECK(skipped(std::string(1'000'000, '[')) == "nested too deeply");
  std::string objects;
  for (int i = 0; i != 32; ++i) objects += "{\"\":";
  CHECK(skipped(objects + '1' + std::string(32, '}')) == "none");
  CHECK(skipped(objects + "{}" + std::string(32, '}')) == "nested too deeply");
  // One beside the other is no level more.
  std::string wide = "[[]";
  for (int i = 0; i != 100; ++i) wide += ",{},[1]";
  CHECK(skipped(wide + ']') == "none");
}

TEST_CASE("what is left of the depth is known to who reads by other means")
{
  scene s("[[1]]");
  CHECK(s.in.depth_left() == json_max_depth);
  CHECK(s.in.read_array([&](std::size_t) {
    CHECK(s.in.depth_left() == json_max_depth - 1);
    CHECK(s.in.rest() == "[1]]");
    s.in.advance(3);
    return true;
  }));
  CHECK(s.in.depth_left() == json_max_depth);
  CHECK(s.in.read_end());
}

TEST_CASE("something may be read twice")
{
  scene s(R"(["a",1])");
  std::vector<std::string> seen;
  CHECK(s.in.read_array([&](std::size_t index) {
    if (index == 1) return s.in.skip_value();
    const auto place = s.in.position();
    for (int i = 0; i != 2; ++i) {
      s.in.go_to(place);
      CHECK(s.in.read_string(seen.emplace_back()));
    }
    return true;
  }));
  CHECK(s.in.read_end());
  CHECK(seen == std::vector<std::string>{"a", "a"});
}

} // namespace json_reader_test
