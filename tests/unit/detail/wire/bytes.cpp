// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/bytes.hpp>

#include <doctest/doctest.h>

#include <array>

namespace bytes_test {

using namespace cohort::detail::wire;

TEST_CASE("numbers are little-endian on the wire")
{
  std::array<std::byte, 8> bytes{};
  store_little(bytes.data(), std::uint64_t(0x0807060504030201));
  for (unsigned i = 0; i != 8; ++i) CHECK(bytes[i] == std::byte(i + 1));
  CHECK(load_little<std::uint64_t>(bytes.data()) == 0x0807060504030201);
  CHECK(load_little<std::uint32_t>(bytes.data()) == 0x04030201);
  CHECK(load_little<std::uint16_t>(bytes.data()) == 0x0201);
  CHECK(load_little<std::uint8_t>(bytes.data()) == 1);
}

TEST_CASE("all bits of a number come back")
{
  std::array<std::byte, 8> bytes{};
  for (unsigned bit = 0; bit != 64; ++bit) {
    store_little(bytes.data(), std::uint64_t(1) << bit);
    CHECK(load_little<std::uint64_t>(bytes.data()) == std::uint64_t(1) << bit);
  }
}

TEST_CASE("a reader past its end gives zeros and says so for good")
{
  const std::array<std::byte, 3> bytes{std::byte(1), std::byte(2), std::byte(3)};
  byte_reader reader(bytes);
  CHECK(reader.number<std::uint16_t>() == 0x0201);
  CHECK(reader.ok());
  CHECK(reader.remaining() == 1);
  CHECK(reader.number<std::uint32_t>() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.number<std::uint8_t>() == 0);
  CHECK(reader.bytes(1).empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("a reader gives all bytes and none")
{
  const std::array<std::byte, 3> bytes{std::byte(1), std::byte(2), std::byte(3)};
  byte_reader reader(bytes);
  CHECK(reader.bytes(0).empty());
  CHECK(reader.bytes(3).size() == 3);
  CHECK(reader.bytes(0).empty());
  CHECK(reader.ok());
  CHECK(reader.remaining() == 0);
}

} // namespace bytes_test
