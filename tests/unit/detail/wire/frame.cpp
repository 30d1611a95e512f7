// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/frame.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace frame_test {

using namespace cohort::detail::wire;
using bytes = std::vector<std::byte>;

namespace {

struct whole_frame {
  frame_header header;
  bytes payload;

  friend bool operator==(const whole_frame&, const whole_frame&) = default;
};

whole_frame make_frame(std::uint16_t type, std::size_t size, std::uint8_t descriptors = 0)
{
  whole_frame frame;
  frame.header = {static_cast<std::uint32_t>(size), type, descriptors, 0, type + 1000u};
  for (std::size_t i = 0; i != size; ++i)
    frame.payload.push_back(static_cast<std::byte>(type * 7 + i));
  return frame;
}

void append(bytes& stream, const whole_frame& frame)
{
  std::array<std::byte, header_size> header;
  encode_header(frame.header, header);
  stream.insert(stream.end(), header.begin(), header.end());
  stream.insert(stream.end(), frame.payload.begin(), frame.payload.end());
}

struct outcome {
  std::vector<whole_frame> frames;
  std::error_code error;

  friend bool operator==(const outcome&, const outcome&) = default;
};

// Feeds `part` in pieces that the decoder's room allows, and takes what is complete after each.
void feed(frame_decoder& decoder, std::span<const std::byte> part, outcome& result)
{
  while (!part.empty()) {
    const auto room = decoder.prepare(1);
    const auto size = std::min(room.size(), part.size());
    std::copy_n(part.begin(), size, room.begin());
    decoder.commit(size);
    part = part.subspan(size);
    std::error_code ec;
    while (const auto frame = decoder.next(ec))
      result.frames.push_back({frame->header, {frame->payload.begin(), frame->payload.end()}});
    if (ec) result.error = ec;
  }
}

outcome decode_in_parts(std::span<const std::byte> stream, std::vector<std::size_t> cuts)
{
  frame_decoder decoder(1000);
  outcome result;
  std::size_t at = 0;
  cuts.push_back(stream.size());
  for (const auto cut : cuts) {
    feed(decoder, stream.subspan(at, cut - at), result);
    at = cut;
  }
  if (!result.error) decoder.finish(result.error);
  return result;
}

} // namespace

TEST_CASE("the header has the documented bytes")
{
  std::array<std::byte, header_size> encoded;
  encode_header({0x04030201, 0x0605, 7, 8, 0x100f0e0d0c0b0a09}, encoded);
  for (unsigned i = 0; i != header_size; ++i) CHECK(encoded[i] == std::byte(i + 1));
  CHECK(decode_header(encoded) == frame_header{0x04030201, 0x0605, 7, 8, 0x100f0e0d0c0b0a09});
}

TEST_CASE("every split of a stream gives the same frames")
{
  const std::vector<whole_frame> frames = {make_frame(1, 0), make_frame(2, 1, 64),
      make_frame(3, 37), make_frame(0xffff, 0, 1), make_frame(5, 16, 3)};
  bytes stream;
  for (const auto& frame : frames) append(stream, frame);
  const outcome whole = decode_in_parts(stream, {});
  CHECK(whole.frames == frames);
  CHECK_FALSE(whole.error);

  std::vector<std::size_t> each_byte;
  for (std::size_t i = 0; i != stream.size(); ++i) {
    each_byte.push_back(i);
    REQUIRE(decode_in_parts(stream, {i}) == whole);
    for (std::size_t j = i; j != stream.size(); ++j)
      REQUIRE(decode_in_parts(stream, {i, j}) == whole);
  }
  CHECK(decode_in_parts(stream, each_byte) == whole);
}

TEST_CASE("a stream that ends within a frame is truncated, at every byte")
{
  bytes stream;
  append(stream, make_frame(1, 5));
  const auto boundary = stream.size();
  append(stream, make_frame(2, 9));
  for (std::size_t size = 0; size <= stream.size(); ++size) {
    const auto result = decode_in_parts(std::span(stream).first(size), {});
    const bool at_boundary = size == 0 || size == boundary || size == stream.size();
    CHECK(result.error == (at_boundary ? std::error_code() : cohort::error::truncated));
    CHECK(result.frames.size() == (size < boundary ? 0u : size < stream.size() ? 1u : 2u));
  }
}

TEST_CASE("a payload above the limit is refused by its header, however it arrives")
{
  bytes stream;
  append(stream, make_frame(1, 1000));
  const auto good = stream.size();
  auto large = make_frame(2, 0);
  large.header.length = 1001;
  append(stream, large);
  for (std::size_t cut = good; cut != stream.size(); ++cut) {
    const auto result = decode_in_parts(stream, {cut});
    CHECK(result.frames.size() == 1);
    CHECK(result.error == cohort::error::message_too_large);
  }
}

TEST_CASE("a promise of much payload takes no memory")
{
  frame_decoder decoder(0xffffffff);
  auto room = decoder.prepare(64);
  encode_header({0xffffffff, 1, 0, 0, 0}, room.first<header_size>());
  decoder.commit(header_size);
  std::error_code ec;
  CHECK_FALSE(decoder.next(ec));
  CHECK_FALSE(ec);
  CHECK(decoder.prepare(64).size() < 1024);
}

TEST_CASE("unknown flags and too many descriptors are violations")
{
  for (unsigned bit = 0; bit != 8; ++bit) {
    auto frame = make_frame(1, 0);
    frame.header.flags = static_cast<std::uint8_t>(1u << bit);
    bytes stream;
    append(stream, frame);
    CHECK(decode_in_parts(stream, {}).error == cohort::error::protocol_violation);
  }
  for (unsigned count = 0; count != 256; ++count) {
    bytes stream;
    append(stream, make_frame(1, 0, static_cast<std::uint8_t>(count)));
    CHECK(decode_in_parts(stream, {}).error ==
          (count <= max_descriptors ? std::error_code() : cohort::error::protocol_violation));
  }
}

TEST_CASE("after an error there are no more frames and the error stays")
{
  frame_decoder decoder(10);
  bytes stream;
  append(stream, make_frame(1, 11));
  append(stream, make_frame(2, 0));
  outcome result;
  feed(decoder, stream, result);
  CHECK(result.frames.empty());
  for (int i = 0; i != 3; ++i) {
    std::error_code ec;
    CHECK_FALSE(decoder.next(ec));
    CHECK(ec == cohort::error::message_too_large);
    decoder.finish(ec);
    CHECK(ec == cohort::error::message_too_large);
  }
}

TEST_CASE("the decoder says how many descriptors its incomplete frame may own")
{
  bytes stream;
  append(stream, make_frame(1, 3, 5));
  frame_decoder decoder(10);
  outcome result;
  CHECK(decoder.awaited_descriptors() == 0);
  feed(decoder, std::span(stream).first(1), result);
  CHECK(decoder.awaited_descriptors() == max_descriptors);
  feed(decoder, std::span(stream).subspan(1, header_size - 1), result);
  CHECK(decoder.awaited_descriptors() == 5);
  feed(decoder, std::span(stream).subspan(header_size), result);
  CHECK(result.frames.size() == 1);
  CHECK(decoder.awaited_descriptors() == 0);
}

TEST_CASE("small frames reuse one buffer for ever")
{
  bytes stream;
  for (std::uint16_t i = 0; i != 50; ++i) append(stream, make_frame(i, i * 3u));
  frame_decoder decoder(1000);
  const auto* const first = decoder.prepare(2048).data();
  std::size_t frames = 0;
  std::error_code ec;
  for (int round = 0; round != 100; ++round) {
    std::span<const std::byte> rest(stream);
    while (!rest.empty()) {
      const auto room = decoder.prepare(512);
      // Within the first buffer: it was neither grown nor replaced.
      REQUIRE(room.data() >= first);
      REQUIRE(room.data() + room.size() == first + 2048);
      const auto size = std::min<std::size_t>(room.size(), std::min<std::size_t>(rest.size(), 611));
      std::copy_n(rest.begin(), size, room.begin());
      decoder.commit(size);
      rest = rest.subspan(size);
      while (decoder.next(ec)) ++frames;
    }
  }
  CHECK_FALSE(ec);
  CHECK(frames == 5000);
}

TEST_CASE("a large frame comes through and its buffer is not kept")
{
  constexpr std::size_t large = 5 * 1024 * 1024;
  frame_decoder decoder(large);
  bytes stream;
  auto frame = make_frame(9, 0);
  frame.header.length = large;
  frame.payload.resize(large, std::byte(0x5a));
  append(stream, frame);
  outcome result;
  for (std::size_t at = 0; at < stream.size();) {
    const auto room = decoder.prepare(16 * 1024);
    REQUIRE(room.size() >= 16 * 1024);
    const auto size = std::min<std::size_t>({room.size(), stream.size() - at, 200'000});
    std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), size, room.begin());
    decoder.commit(size);
    at += size;
    std::error_code ec;
    if (const auto view = decoder.next(ec))
      result.frames.push_back({view->header, {view->payload.begin(), view->payload.end()}});
    REQUIRE_FALSE(ec);
  }
  REQUIRE(result.frames.size() == 1);
  CHECK(result.frames[0] == frame);
  CHECK(decoder.buffered() == 0);
  CHECK(decoder.prepare(16 * 1024).size() == 16 * 1024);
}

} // namespace frame_test
