// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message/binary_input.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

namespace binary_input_test {

namespace {

using cohort::detail::binary_depth;

/// Input and its error; the bytes lie in memory of their own, so that a sanitizer sees each step
/// beyond the end.
struct scene {
  explicit scene(std::initializer_list<int> numbers) : bytes(numbers.size())
  {
    std::ranges::transform(
        numbers, bytes.begin(), [](int each) { return static_cast<std::byte>(each); });
  }
  explicit scene(std::size_t size, int each = 0) : bytes(size, static_cast<std::byte>(each)) {}

  bool failed_with(const std::string& line) const
  {
    CHECK(error.message() == line);
    return error.code == cohort::error::invalid_message;
  }

  std::vector<std::byte> bytes;
  cohort::decode_error error;
  cohort::detail::binary_input in{bytes, error};
};

constexpr auto no_limit = std::numeric_limits<std::size_t>::max();

} // namespace

TEST_CASE("binary input has little-endian numbers one behind the other")
{
  scene s{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  std::uint8_t one = 0;
  std::uint16_t two = 0;
  std::uint32_t four = 0;
  std::uint64_t eight = 0;
  CHECK(s.in.read_number(one));
  CHECK(s.in.read_number(two));
  CHECK(s.in.read_number(four));
  CHECK(s.in.remaining() == 8);
  CHECK(s.in.read_number(eight));
  CHECK(one == 1);
  CHECK(two == 0x0302);
  CHECK(four == 0x07060504);
  CHECK(eight == 0x0f0e0d0c0b0a0908);
  CHECK(s.in.finish());
  CHECK_FALSE(s.error.code);
}

TEST_CASE("numbers of binary input have all their bits")
{
  const auto check = []<class Unsigned>(Unsigned) {
    for (const int each : {0x00, 0x80, 0xff}) {
      scene s(sizeof(Unsigned), each);
      Unsigned number = 1;
      CHECK(s.in.read_number(number));
      for (std::size_t i = 0; i != sizeof(Unsigned); ++i)
        CHECK((number >> 8 * i & 0xff) == static_cast<unsigned>(each));
    }
  };
  check(std::uint8_t());
  check(std::uint16_t());
  check(std::uint32_t());
  check(std::uint64_t());
}

TEST_CASE("a number of which bytes are missing is refused, and takes none of them")
{
  for (std::size_t size = 0; size != 8; ++size) {
    scene s(size);
    std::uint64_t number = 0;
    CHECK_FALSE(s.in.read_number(number));
    CHECK(s.in.remaining() == size);
    CHECK(s.failed_with(
        "takes 8 bytes, left: " + std::to_string(size) + (size == 1 ? " byte" : " bytes")));
  }
  scene s{};
  std::uint8_t number = 0;
  CHECK_FALSE(s.in.read_number(number));
  CHECK(s.failed_with("takes 1 byte, left: 0 bytes"));
}

TEST_CASE("a flag of binary input is 0 or 1")
{
  scene s{0, 1};
  bool flag = true;
  CHECK(s.in.read_flag(flag));
  CHECK_FALSE(flag);
  CHECK(s.in.read_flag(flag));
  CHECK(flag);
  CHECK_FALSE(s.in.read_flag(flag));
  CHECK(s.failed_with("takes 1 byte, left: 0 bytes"));
  for (int other = 2; other != 256; ++other) {
    scene wrong{other};
    CHECK_FALSE(wrong.in.read_flag(flag));
    CHECK(wrong.failed_with(std::to_string(other) + " is neither 0 nor 1"));
  }
}

TEST_CASE("a length is taken as long as that many elements may follow")
{
  const auto count_of = [](std::initializer_list<int> bytes, std::size_t minimum) {
    scene s(bytes);
    std::size_t count = 99;
    CHECK(s.in.read_count(count, minimum, no_limit));
    CHECK(s.in.remaining() == bytes.size() - 4);
    return count;
  };
  CHECK(count_of({0, 0, 0, 0}, 1) == 0);
  CHECK(count_of({0, 0, 0, 0}, 0) == 0);
  CHECK(count_of({0, 0, 0, 0}, no_limit) == 0);
  CHECK(count_of({3, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 2) == 3);
  CHECK(count_of({3, 0, 0, 0, 0, 0, 0}, 1) == 3);

  scene s(4 + 0x010203);
  std::ranges::copy(scene{3, 2, 1, 0}.bytes, s.bytes.begin());
  std::size_t count = 0;
  CHECK(s.in.read_count(count, 1, no_limit));
  CHECK(count == 0x010203);
}

TEST_CASE("a length of more elements than may follow is refused")
{
  const auto refusal = [](std::initializer_list<int> bytes, std::size_t minimum) {
    scene s(bytes);
    std::size_t count = 0;
    CHECK_FALSE(s.in.read_count(count, minimum, no_limit));
    CHECK(s.error.code == cohort::error::invalid_message);
    return s.error.message();
  };
  CHECK(refusal({3, 0, 0, 0, 0, 0, 0, 0, 0}, 2) ==
        "a length of 3 does not fit into what is left: 5 bytes");
  CHECK(refusal({2, 0, 0, 0, 0}, 1) == "a length of 2 does not fit into what is left: 1 byte");
  // What takes no byte is counted as if it took one.
  CHECK(refusal({1, 0, 0, 0}, 0) == "a length of 1 does not fit into what is left: 0 bytes");
  // In 64 bits these would be 2^66 bytes.
  CHECK(refusal({255, 255, 255, 255, 0}, std::size_t(1) << 34) ==
        "a length of 4294967295 does not fit into what is left: 1 byte");
  CHECK(refusal({0, 0, 0, 0x80, 0}, no_limit) ==
        "a length of 2147483648 does not fit into what is left: 1 byte");
  CHECK(refusal({1, 0, 0}, 1) == "takes 4 bytes, left: 3 bytes");
}

TEST_CASE("a length of more elements than the container can hold is refused")
{
  std::size_t count = 0;
  scene fits{2, 0, 0, 0, 0, 0, 0};
  CHECK(fits.in.read_count(count, 1, 2));
  scene s{3, 0, 0, 0, 0, 0, 0};
  CHECK_FALSE(s.in.read_count(count, 1, 2));
  CHECK(s.failed_with("a length of 3 is more than it can hold"));
}

TEST_CASE("asking whether there are bytes takes none")
{
  scene s{1, 2, 3};
  CHECK(s.in.has(0));
  CHECK(s.in.has(3));
  CHECK(s.in.remaining() == 3);
  CHECK_FALSE(s.in.has(4));
  CHECK(s.failed_with("takes 4 bytes, left: 3 bytes"));
  CHECK_FALSE(s.in.has(no_limit));
  const auto first = s.in.bytes(2);
  CHECK(first.data() == s.bytes.data());
  CHECK(first.size() == 2);
  CHECK(s.in.bytes(1)[0] == std::byte(3));
  CHECK(s.in.has(0));
}

TEST_CASE("binary input ends where its bytes end")
{
  CHECK(scene{}.in.finish());
  scene one{0};
  CHECK_FALSE(one.in.finish());
  CHECK(one.failed_with("left over at the end: 1 byte"));
  scene two{0, 0};
  CHECK_FALSE(two.in.finish());
  CHECK(two.failed_with("left over at the end: 2 bytes"));
}

TEST_CASE("as many levels as the limit says may be entered at once")
{
  scene s{};
  for (unsigned depth = 0; depth != binary_depth; ++depth) CHECK(s.in.enter());
  // One beside the other is no level more.
  for (int i = 0; i != 1000; ++i) {
    s.in.leave();
    CHECK(s.in.enter());
  }
  CHECK_FALSE(s.error.code);
  CHECK_FALSE(s.in.enter());
  CHECK(s.failed_with("nested more than 128 levels deep"));
}

TEST_CASE("where it failed is told from the inside out")
{
  scene s{};
  CHECK_FALSE(s.in.fail("wrong"));
  CHECK(s.failed_with("wrong"));
  CHECK_FALSE(s.in.fail_in("price"));
  CHECK(s.error.path == "price");
  CHECK_FALSE(s.in.fail_at(0));
  CHECK_FALSE(s.in.fail_at(4294967295));
  CHECK_FALSE(s.in.fail_in("items"));
  CHECK_FALSE(s.in.fail_in("order"));
  CHECK(s.failed_with("order.items[4294967295][0].price: wrong"));
}

TEST_CASE("a failure tells nothing of one before it")
{
  scene s{};
  s.in.fail("first");
  s.in.fail_in("member");
  s.in.fail("second");
  CHECK(s.failed_with("second"));
}

} // namespace binary_input_test
