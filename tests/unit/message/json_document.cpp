// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_document.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace json_document_test {

namespace {

using boost::json::value;
using cohort::detail::json_max_depth;
using cohort::detail::json_reader;
using cohort::detail::read_json_document;

/// What is wrong with the text, which lies in memory of its own, so that a sanitizer sees each step
/// beyond the end; empty when nothing is.
std::string problem(std::string_view text, value& read)
{
  const std::vector<char> copy(text.begin(), text.end());
  cohort::decode_error error;
  json_reader in({copy.data(), copy.size()}, error);
  const bool done = read_json_document(in, read) && in.read_end();
  if (!done) CHECK(error.code == cohort::error::invalid_message);
  return done ? "" : error.message();
}

value document(std::string_view text)
{
  value read;
  const auto wrong = problem(text, read);
  REQUIRE_MESSAGE(wrong.empty(), wrong);
  return read;
}
std::string failure(std::string_view text)
{
  value read;
  return problem(text, read);
}

std::uint64_t bits(std::string_view text)
{
  return std::bit_cast<std::uint64_t>(document(text).as_double());
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

} // namespace

TEST_CASE("a document is what its text says")
{
  CHECK(document("null").is_null());
  CHECK(document("true") == true);
  CHECK(document("\"text\"") == "text");
  CHECK(document("[]").as_array().empty());
  CHECK(document("{}").as_object().empty());
  CHECK(document(" {\"a\" : [1, {\"b\":false}, null]}\n") ==
        value{{"a", {1, {{"b", false}}, nullptr}}});
  const value strings = document(R"(["a\"\\\/\n\u0041\ud83d\ude00"])");
  CHECK(strings.at(0) == "a\"\\/\nA\U0001f600");
}

TEST_CASE("a document's integers are exact, and of the type that has them")
{
  CHECK(document("0").is_int64());
  CHECK(document("-9223372036854775808").as_int64() == std::numeric_limits<std::int64_t>::min());
  CHECK(document("9223372036854775807").as_int64() == std::numeric_limits<std::int64_t>::max());
  CHECK(document("9223372036854775808").as_uint64() == 9223372036854775808u);
  CHECK(document("18446744073709551615").as_uint64() == std::numeric_limits<std::uint64_t>::max());
  CHECK(document("18446744073709551616").as_double() == 18446744073709551616.0);
  CHECK(document("-9223372036854775809").is_double());
}

TEST_CASE("a document's doubles are those nearest to their texts")
{
  CHECK(bits("0.1") == 0x3fb999999999999a);
  CHECK(bits("1.0") == 0x3ff0000000000000);
  CHECK(bits("1e0") == 0x3ff0000000000000);
  CHECK(bits("5e-324") == 1);
  CHECK(bits("1.7976931348623157e+308") == 0x7fefffffffffffff);
  CHECK(bits("2.2250738585072011e-308") == 0x000fffffffffffff);
  CHECK(bits("0.30000000000000004") == 0x3fd3333333333334);
  CHECK(bits("123456789012345680000") == std::bit_cast<std::uint64_t>(123456789012345680000.0));
  CHECK(bits("9007199254740993.0") == 0x4340000000000000);
}

TEST_CASE("a document's zero has its sign, its infinities are those of JSON")
{
  CHECK(bits("-0") == 0x8000000000000000);
  CHECK(bits("-0.0") == 0x8000000000000000);
  CHECK(bits("-1e-400") == 0x8000000000000000);
  CHECK(document("0") == 0);
  CHECK(document("1e99999").as_double() == std::numeric_limits<double>::infinity());
  CHECK(document("-1e99999").as_double() == -std::numeric_limits<double>::infinity());
  // What would be too large elsewhere.
  CHECK(document("1e400").as_double() == std::numeric_limits<double>::infinity());
  CHECK(document("[-0,1]").at(0).is_double());
}

TEST_CASE("of equal keys of a document the last one counts")
{
  const auto read = document(R"({"a":1,"b":2,"a":{"c":3}})");
  CHECK(read.as_object().size() == 2);
  CHECK(read.at("a").at("c") == 3);
}

TEST_CASE("a document's strings and keys have any length and any bytes")
{
  for (const std::size_t size : {0u, 1u, 1000u, 1024u, 5000u, 100'000u}) {
    const std::string text = std::string(size, 'x') + "\xff\x80";
    const auto read = document("{\"" + text + "\":\"" + text + "\"}");
    CHECK(read.as_object().begin()->key() == text);
    CHECK(read.as_object().begin()->value() == boost::json::string_view(text));
  }
  CHECK(document(R"("\u0000")").as_string().size() == 1);
}

TEST_CASE("a large document is whole")
{
  std::string text = "[";
  for (int i = 0; i != 5000; ++i) text += "{\"k\":[" + std::to_string(i) + "]},";
  const auto read = document(text + "null]");
  CHECK(read.as_array().size() == 5001);
  CHECK(read.at(4999).at("k").at(0) == 4999);
}

TEST_CASE("what was read before gives way to a document")
{
  value read = {1, 2, 3};
  CHECK(problem("{}", read).empty());
  CHECK(read.is_object());
}

TEST_CASE("a document ends where it ends, and others read on")
{
  cohort::decode_error error;
  json_reader in(R"( {"a":[1]} , 12 "b"])", error);
  value read;
  CHECK(read_json_document(in, read));
  CHECK(read.is_object());
  CHECK(in.peek() == ',');
  in.advance(1);
  CHECK(read_json_document(in, read));
  CHECK(read == 12);
  CHECK(read_json_document(in, read));
  CHECK(read == "b");
  CHECK(in.rest() == "]");
}

TEST_CASE("what is no document is told")
{
  CHECK(failure("") == "the message is empty");
  CHECK(failure("  ") == "not JSON: expected a value at the end");
  CHECK(failure("[1] 2") == "not JSON: expected nothing more at byte 4");
  CHECK(failure("[1,") == "not JSON: incomplete JSON");
  for (const auto* text : {"nul", "nulll", "01", "-", "1.", "+1", "nan", "Infinity", "[1,]",
           "{\"a\":1,}", "{a:1}", "'a'", "\"a\nb\"", R"("\x")", R"("\ud800")", R"("\udc00")",
           "// comment\n1", "[1}", "}"}) {
    CAPTURE(text);
    CHECK(failure(text).starts_with("not JSON: "));
  }
}

TEST_CASE("a document that ends too early is refused wherever it ends")
{
  const std::string text = R"({"a":[15e+3,"\ud83d\ude00\n",{"b":null}],"c":true,"d":[-0]})";
  CHECK(failure(text).empty());
  for (std::size_t size = 0; size != text.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(failure(text.substr(0, size)).empty());
  }
}

TEST_CASE("a document is nested as deep as what is around it leaves")
{
  CHECK(failure(nested(json_max_depth)).empty());
  CHECK(failure(nested(json_max_depth + 1)) == "nested too deeply");
  CHECK(failure(std::string(1'000'000, '[')) == "nested too deeply");

  const auto inside = [](std::size_t depth) {
    cohort::decode_error error;
    const std::string text = '[' + nested(depth) + ']';
    json_reader in(text, error);
    value read;
    const bool done = in.read_array([&](std::size_t) { return read_json_document(in, read); });
    return done ? "" : error.message();
  };
  CHECK(inside(json_max_depth - 1).empty());
  CHECK(inside(json_max_depth) == "nested too deeply");
}

TEST_CASE("a document that is no container fits where nothing may be nested any more")
{
  const std::string text =
      std::string(json_max_depth, '[') + "12" + std::string(json_max_depth, ']');
  CHECK(failure(text).empty());
  cohort::decode_error error;
  json_reader in(text, error);
  value read;
  const auto descend = [&](const auto& self) -> bool {
    return in.read_array([&](std::size_t) {
      return in.depth_left() == 0 ? read_json_document(in, read) : self(self);
    });
  };
  CHECK(descend(descend));
  CHECK(in.read_end());
  CHECK(read == 12);
}

} // namespace json_document_test
