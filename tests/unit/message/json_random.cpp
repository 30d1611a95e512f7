// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The JSON codec with values and texts that nobody thought of.
#include <cohort/message/json.hpp>

#include <boost/describe/class.hpp>
#include <boost/json/parse.hpp>
#include <doctest/doctest.h>

#include "support/described_types.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace json_random_test {

using cohort::json_codec;
using cohort_test::part;

struct whole {
  std::uint64_t id = 0;
  std::vector<part> parts;
  std::map<std::string, std::vector<bool>> flags;
  std::variant<std::int16_t, std::string, part> choice;
  std::vector<std::byte> blob;
  std::vector<whole> inner;

  friend bool operator==(const whole&, const whole&) = default;
};
BOOST_DESCRIBE_STRUCT(whole, (), (id, parts, flags, choice, blob, inner))

namespace {

using generator = std::mt19937_64;

template <class Message>
std::string encoded(const Message& message)
{
  cohort::byte_sink sink;
  json_codec::encode(message, sink);
  const auto bytes = sink.bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

template <class Message>
std::optional<Message> decoded(std::string_view text)
{
  cohort::decode_error error;
  // In memory of its own, so that a sanitizer sees each step beyond the end.
  const std::vector<char> copy(text.begin(), text.end());
  auto message = json_codec::decode<Message>(std::as_bytes(std::span(copy)), error);
  if (!message && (error.code != cohort::error::invalid_message || error.reason.empty()))
    FAIL("an error without a reason");
  return message;
}

std::string random_text(generator& random)
{
  std::string text(random() % 20, ' ');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

template <class Floating>
Floating random_number(generator& random)
{
  using bits = std::conditional_t<sizeof(Floating) == 4, std::uint32_t, std::uint64_t>;
  const auto number = std::bit_cast<Floating>(static_cast<bits>(random()));
  return std::isnan(number) ? Floating(1) : number;
}

part random_part(generator& random)
{
  part made{random_text(random), static_cast<std::int64_t>(random()), random_number<double>(random),
      std::nullopt};
  if (random() % 2) made.ratio = random_number<float>(random);
  return made;
}

whole random_whole(generator& random, int levels = 3)
{
  whole made;
  made.id = random();
  for (auto n = random() % 4; n != 0; --n) made.parts.push_back(random_part(random));
  for (auto n = random() % 4; n != 0; --n) made.flags[random_text(random)].assign(n, n % 2 == 0);
  switch (random() % 3) {
  case 0: made.choice = static_cast<std::int16_t>(random()); break;
  case 1: made.choice = random_text(random); break;
  default: made.choice = random_part(random);
  }
  for (auto n = random() % 9; n != 0; --n) made.blob.push_back(static_cast<std::byte>(random()));
  if (levels != 0)
    for (auto n = random() % 3; n != 0; --n) made.inner.push_back(random_whole(random, levels - 1));
  return made;
}

// What Boost.JSON says of the text.
boost::json::error_code verdict(std::string_view text)
{
  boost::json::parse_options options;
  options.allow_invalid_utf8 = true;
  boost::json::error_code failed;
  boost::json::parse({text.data(), text.size()}, failed, {}, options);
  return failed;
}

// Whether it is JSON to those who skip what they do not know.
bool can_be_skipped(std::string_view text)
{
  const std::vector<char> copy(text.begin(), text.end());
  cohort::decode_error error;
  cohort::detail::json_reader reader(std::string_view(copy.data(), copy.size()), error);
  return reader.skip_value() && reader.read_end();
}

// Reads it in all ways that there are; what cannot be must not be taken.
void read_in_all_ways(const std::string& text)
{
  const auto failed = verdict(text);
  // It minds very large exponents, which are numbers nevertheless.
  if (failed == boost::json::error::exponent_overflow) return;
  const bool is_json = !failed;
  if (const auto message = decoded<whole>(text)) {
    const auto again = decoded<whole>(encoded(*message));
    if (!again || !is_json) FAIL("taken although it is no JSON: " << text);
  }
  const bool document = decoded<boost::json::value>(text).has_value();
  const bool skipped = can_be_skipped(text);
  if (document != is_json || document != skipped) {
    CAPTURE(text);
    CHECK(document == is_json);
    CHECK(document == skipped);
  }
}

template <class Floating>
void check_bits(Floating number)
{
  const auto text = encoded(number);
  const auto back = decoded<Floating>(text);
  const bool same = back && (std::isnan(number) ? std::isnan(*back)
                                                : std::memcmp(&*back, &number, sizeof number) == 0);
  if (!same) FAIL_CHECK("not the same number: " << text);
}

} // namespace

TEST_CASE("random structs come back as they were")
{
  generator random(1);
  for (int i = 0; i != 2000; ++i) {
    const auto sent = random_whole(random);
    const auto read = decoded<whole>(encoded(sent));
    REQUIRE(read.has_value());
    REQUIRE(bool(*read == sent));
  }
}

TEST_CASE("doubles and floats of any bits come back bit by bit")
{
  generator random(2);
  for (int i = 0; i != 1'000'000; ++i) {
    check_bits(std::bit_cast<double>(random()));
    check_bits(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  }
}

TEST_CASE("doubles in boost::json::value come back bit by bit, and as doubles")
{
  generator random(3);
  for (int i = 0; i != 200'000; ++i) {
    // Every second one is a number as people write it.
    const double number =
        i % 2 == 0 ? random_number<double>(random)
                   : static_cast<double>(static_cast<int>(random() % 2'000'001) - 1'000'000) / 1000;
    const auto read = decoded<boost::json::value>(encoded(boost::json::value(number)));
    const bool same =
        read && read->is_double() &&
        std::bit_cast<std::uint64_t>(read->get_double()) == std::bit_cast<std::uint64_t>(number);
    if (!same) FAIL_CHECK("not the same number: " << number);
  }
}

TEST_CASE("the limits of floating point keep their values")
{
  const auto check = []<class Floating>(Floating) {
    using limits = std::numeric_limits<Floating>;
    for (const Floating number : {limits::min(), limits::max(), limits::lowest(),
             limits::denorm_min(), limits::epsilon(), limits::infinity(), -limits::infinity(),
             limits::quiet_NaN(), Floating(0), -Floating(0)})
      check_bits(number);
  };
  check(0.0);
  check(0.0f);
}

TEST_CASE("a text that ends too early is refused wherever it ends")
{
  generator random(4);
  for (int i = 0; i != 20; ++i) {
    const auto text = encoded(random_whole(random, 1));
    for (std::size_t size = 0; size != text.size(); ++size) {
      const bool taken = decoded<whole>(text.substr(0, size)).has_value() ||
                         decoded<boost::json::value>(text.substr(0, size)).has_value();
      if (taken) FAIL_CHECK("taken: " << text.substr(0, size));
    }
  }
}

TEST_CASE("texts with wrong bytes are read as Boost.JSON reads them, or refused")
{
  generator random(5);
  constexpr std::string_view special = "{}[]\",:\\u0123456789-+.eE truefalsnd\n\x01\x80";
  for (int i = 0; i != 300; ++i) {
    auto text = encoded(random_whole(random, 1));
    for (int change = 0; change != 30; ++change) {
      auto changed = text;
      for (auto n = 1 + random() % 2; n != 0; --n) {
        const auto at = random() % changed.size();
        switch (random() % 4) {
        case 0: changed[at] = static_cast<char>(changed[at] ^ (1 << random() % 8)); break;
        case 1: changed[at] = special[random() % special.size()]; break;
        case 2: changed.insert(at, 1, special[random() % special.size()]); break;
        default: changed.erase(at, 1 + random() % 3);
        }
      }
      read_in_all_ways(changed);
    }
  }
}

TEST_CASE("short texts of JSON's own characters are read as Boost.JSON reads them")
{
  generator random(6);
  constexpr std::string_view special = "{}[]\"\",:\\u0019-.e ";
  for (int i = 0; i != 200'000; ++i) {
    std::string text;
    for (auto n = 1 + random() % 8; n != 0; --n) text += special[random() % special.size()];
    read_in_all_ways(text);
  }
}

} // namespace json_random_test
