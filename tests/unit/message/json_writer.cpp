// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/json_writer.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace json_writer_test {

namespace {

using cohort::detail::json_max_depth;
using cohort::detail::json_writer;

/// What `write` puts into a sink.
template <class Write>
std::string written(Write write)
{
  cohort::byte_sink sink;
  json_writer out(sink);
  write(out);
  out.finish();
  const auto bytes = sink.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

template <class Number>
std::string number(Number value)
{
  return written([&](json_writer& out) { out.put_number(value); });
}
std::string as_double(double value)
{
  return written([&](json_writer& out) { out.put_double(value); });
}
std::string string(std::string_view text)
{
  return written([&](json_writer& out) { out.put_string(text); });
}
std::string base64(std::string_view bytes)
{
  return written([&](json_writer& out) { out.put_bytes(std::as_bytes(std::span(bytes))); });
}

} // namespace

TEST_CASE("integers are written exactly, up to their limits")
{
  CHECK(number(0) == "0");
  CHECK(number(-1) == "-1");
  CHECK(number('a') == "97");
  CHECK(number(u'\uffff') == "65535");
  CHECK(number(std::numeric_limits<std::int8_t>::min()) == "-128");
  CHECK(number(std::numeric_limits<std::uint8_t>::max()) == "255");
  CHECK(number(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(number(std::numeric_limits<std::int64_t>::max()) == "9223372036854775807");
  CHECK(number(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
}

TEST_CASE("floating point numbers are written as the shortest text that gives them again")
{
  CHECK(number(1.0) == "1");
  CHECK(number(-0.0) == "-0");
  CHECK(number(0.1) == "0.1");
  CHECK(number(0.1f) == "0.1");
  CHECK(number(0.1 + 0.2) == "0.30000000000000004");
  CHECK(number(1e300) == "1e+300");
  CHECK(number(std::numeric_limits<double>::lowest()) == "-1.7976931348623157e+308");
  CHECK(number(std::numeric_limits<double>::denorm_min()) == "5e-324");
  CHECK(number(std::numeric_limits<float>::max()) == "3.4028235e+38");
}

TEST_CASE("numbers that JSON does not have are written as it can")
{
  CHECK(number(std::numeric_limits<double>::infinity()) == "1e99999");
  CHECK(number(-std::numeric_limits<float>::infinity()) == "-1e99999");
  CHECK(number(std::numeric_limits<float>::quiet_NaN()) == "null");
  CHECK(number(-std::numeric_limits<double>::quiet_NaN()) == "null");
}

TEST_CASE("a double may be told from an integer")
{
  CHECK(as_double(1) == "1.0");
  CHECK(as_double(-0.0) == "-0.0");
  CHECK(as_double(-12345) == "-12345.0");
  CHECK(as_double(100000) == "1e+05");
  CHECK(as_double(1.5) == "1.5");
  CHECK(as_double(1e300) == "1e+300");
  CHECK(as_double(1e-7) == "1e-07");
  CHECK(as_double(std::numeric_limits<double>::infinity()) == "1e99999");
  CHECK(as_double(-std::numeric_limits<double>::infinity()) == "-1e99999");
  CHECK(as_double(std::nan("")) == "null");
}

TEST_CASE("a string has its bytes as they are, but for those that JSON cannot have")
{
  CHECK(string("") == R"("")");
  CHECK(string("\"\\\b\f\n\r\t/") == R"("\"\\\b\f\n\r\t/")");
  CHECK(string(std::string_view("\0\x01\x0b\x1f \x7f", 6)) ==
        "\"\\u0000\\u0001\\u000b\\u001f \x7f\"");
  CHECK(string("\u00e4\xff\x80") == "\"\u00e4\xff\x80\"");
  CHECK(string("a\nb\"c") == R"("a\nb\"c")");
  CHECK(string("\n\n") == R"("\n\n")");
}

TEST_CASE("strings of any length are whole, wherever an escape is")
{
  for (std::size_t size = 0; size != 1100; ++size) {
    const std::string before(size, 'b'), after(1100 - size, 'a');
    REQUIRE(string(before) == '"' + before + '"');
    REQUIRE(string(before + '\n' + after) == '"' + before + "\\n" + after + '"');
    REQUIRE(string(before + '\x01' + after) == '"' + before + "\\u0001" + after + '"');
  }
  REQUIRE(string(std::string(2000, '"')).size() == 4002);
}

TEST_CASE("bytes are written in base64, with padding")
{
  CHECK(base64("") == R"("")");
  CHECK(base64("f") == R"("Zg==")");
  CHECK(base64("fo") == R"("Zm8=")");
  CHECK(base64("foo") == R"("Zm9v")");
  CHECK(base64("foob") == R"("Zm9vYg==")");
  CHECK(base64("fooba") == R"("Zm9vYmE=")");
  CHECK(base64("foobar") == R"("Zm9vYmFy")");
  CHECK(base64("\xfb\xff\xfe") == R"("+//+")");
  CHECK(base64(std::string(3, '\0')) == R"("AAAA")");
  CHECK(base64(std::string(3000, '\0')) == '"' + std::string(4000, 'A') + '"');
}

TEST_CASE("tokens stand one behind the other, whatever their sizes")
{
  for (std::size_t size = 0; size != 600; ++size) {
    const std::string text(size, 'x');
    const auto all = written([&](json_writer& out) {
      out.put('[');
      out.put(text);
      out.put(',');
      out.put_number(std::numeric_limits<std::int64_t>::min());
      out.put_number(std::numeric_limits<double>::lowest());
      out.put(text);
      out.put_double(-1);
      out.put_bytes(std::as_bytes(std::span(text).first(size / 2)));
      out.put(']');
    });
    REQUIRE(all == '[' + text + ",-9223372036854775808-1.7976931348623157e+308" + text + "-1.0" +
                       base64(text.substr(0, size / 2)) + ']');
  }
}

TEST_CASE("what is written lies behind what the sink had, once the writer has finished")
{
  cohort::byte_sink sink;
  sink.append("before");
  json_writer out(sink);
  out.put("null");
  out.finish();
  CHECK(sink.size() == 10);
  out.finish();
  CHECK(sink.size() == 10);
}

TEST_CASE("writing into a warmed sink allocates nothing")
{
  cohort::byte_sink sink;
  const std::string text(5000, 'x');
  const auto write = [&] {
    json_writer out(sink);
    out.open('[');
    out.put_string(text);
    for (int i = 0; i != 500; ++i) out.put_number(i * 0.1);
    out.close(']');
    out.finish();
  };
  write();
  sink.clear();
  CHECK(cohort_test::allocations_of(write).count == 0);
}

TEST_CASE("what is nested too deeply is not written")
{
  const auto nest = [](unsigned depth) {
    return written([&](json_writer& out) {
      for (unsigned i = 0; i != depth; ++i) out.open(i % 2 == 0 ? '[' : '{');
      for (unsigned i = depth; i-- != 0;) out.close(i % 2 == 0 ? ']' : '}');
    });
  };
  CHECK(nest(3) == "[{[]}]");
  CHECK(nest(json_max_depth).size() == 2 * json_max_depth);
  try {
    nest(json_max_depth + 1);
    FAIL("nothing was thrown");
  } catch (const std::system_error& error) {
    CHECK(error.code() == cohort::error::invalid_message);
  }
  // One beside the other is no level more.
  CHECK(written([](json_writer& out) {
    for (int i = 0; i != 100; ++i) {
      out.open('[');
      out.close(']');
    }
  }).size() == 200);
}

} // namespace json_writer_test
