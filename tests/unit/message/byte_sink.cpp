// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/byte_sink.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace byte_sink_test {

namespace {

constexpr std::size_t large = cohort::byte_sink::adopt_threshold;

std::string text_of(const cohort::byte_sink& sink)
{
  const std::vector<std::byte> bytes = sink.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

const void* address(const void* pointer) { return pointer; }

} // namespace

TEST_CASE("a new sink is empty")
{
  const cohort::byte_sink sink;
  CHECK(sink.size() == 0);
  CHECK(sink.bytes().empty());
  CHECK(sink.copied().empty());
  CHECK(sink.adopted().empty());
}

TEST_CASE("what is appended to a sink stays in order")
{
  cohort::byte_sink sink;
  sink.append("one");
  sink.append(std::string_view());
  sink.append(std::as_bytes(std::span(" two", 4)));
  std::ranges::fill(sink.extend(2), std::byte('!'));
  CHECK(text_of(sink) == "one two!!");
  CHECK(sink.size() == 9);
  CHECK(sink.extend(0).empty());
}

TEST_CASE("what a sink has copied may be changed in place")
{
  cohort::byte_sink sink;
  sink.append("abc");
  sink.copied()[1] = std::byte('B');
  CHECK(text_of(sink) == "aBc");
}

TEST_CASE("a large buffer that is given away is kept where it lies")
{
  cohort::byte_sink sink;
  std::string text(large, 'x');
  const void* place = text.data();
  sink.append("<");
  sink.adopt(std::move(text));
  sink.append(">");
  REQUIRE(sink.adopted().size() == 1);
  CHECK(address(sink.adopted()[0].bytes.data()) == place);
  CHECK(sink.adopted()[0].bytes.size() == large);
  CHECK(sink.adopted()[0].position == 1);
  CHECK(sink.size() == large + 2);
  CHECK(text_of(sink) == "<" + std::string(large, 'x') + ">");
}

TEST_CASE("a buffer is copied when it is small, when the sender keeps it, and when it cannot move")
{
  cohort::byte_sink sink;
  sink.adopt(std::string(large - 1, 'a'));

  std::string kept(large, 'b');
  sink.adopt(kept);
  const std::string constant(large, 'c');
  sink.adopt(std::move(constant));
  sink.adopt(std::string_view(kept));
  sink.adopt(std::span(kept));
  auto array = std::array<char, large>();
  array.fill('d');
  sink.adopt(std::move(array));

  CHECK(sink.adopted().empty());
  CHECK(sink.size() == large - 1 + 5 * large);
  CHECK(kept.size() == large);
  CHECK(constant.size() == large);
}

TEST_CASE("the size of an adopted buffer is counted in bytes")
{
  cohort::byte_sink sink;
  sink.adopt(std::vector<double>(large / sizeof(double), 1.5));
  REQUIRE(sink.adopted().size() == 1);
  CHECK(sink.size() == large);
}

TEST_CASE("adopted buffers lie between the copied bytes they came between")
{
  cohort::byte_sink sink;
  sink.adopt(std::string(large, '1'));
  sink.adopt(std::string(large, '2'));
  sink.append("-");
  sink.adopt(std::string(large, '3'));
  CHECK(text_of(sink) ==
        std::string(large, '1') + std::string(large, '2') + "-" + std::string(large, '3'));
}

TEST_CASE("an adopted buffer lives as long as somebody owns it")
{
  cohort::byte_sink sink;
  sink.adopt(std::string(large, 'x'));
  cohort::byte_sink::adopted_buffer taken = std::move(sink.adopted()[0]);
  sink.clear();
  CHECK(taken.bytes.back() == std::byte('x'));
}

TEST_CASE("a sink that was cleared is empty and needs no new memory")
{
  cohort::byte_sink sink;
  sink.append(std::string(1000, 'x'));
  sink.adopt(std::string(large, 'x'));
  sink.clear();
  CHECK(sink.size() == 0);
  CHECK(sink.bytes().empty());

  const std::string text(1000, 'y');
  const auto allocated = cohort_test::allocations_of([&] { sink.append(text); });
  CHECK(allocated.count == 0);
  CHECK(text_of(sink) == text);
}

} // namespace byte_sink_test
