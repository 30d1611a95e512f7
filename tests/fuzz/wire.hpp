// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/control.hpp>
#include <cohort/detail/wire/descriptor_queue.hpp>
#include <cohort/detail/wire/frame.hpp>

#include "fuzz/check.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <vector>

// What is checked for any input of the fuzz target `wire`. The input is a list of reads:
//
//     u8 size, u8 descriptors (low 7 bits) and truncation (high bit), `size` bytes
//
// and the bytes of all reads are the stream. A short last read is allowed.

namespace cohort_test::fuzz {

namespace wire = cohort::detail::wire;

constexpr std::uint32_t max_payload = 300;

struct read_record {
  std::span<const std::byte> data;
  std::size_t descriptors;
  bool truncated;
};

inline std::vector<read_record> split_reads(std::span<const std::byte> input)
{
  std::vector<read_record> reads;
  while (input.size() >= 2) {
    const auto size = std::min(static_cast<std::size_t>(input[0]), input.size() - 2);
    const auto descriptors = static_cast<std::size_t>(input[1]);
    reads.push_back({input.subspan(2, size), descriptors & 0x7f, (descriptors & 0x80) != 0});
    input = input.subspan(2 + size);
  }
  return reads;
}

struct seen_frame {
  wire::frame_header header;
  std::vector<std::byte> payload;

  friend bool operator==(const seen_frame&, const seen_frame&) = default;
};

inline void append(wire::frame_decoder& decoder, std::span<const std::byte> data)
{
  const auto room = decoder.prepare(data.size() + 1);
  require(room.size() > data.size(), "there is as much room as was asked for");
  std::copy(data.begin(), data.end(), room.begin());
  decoder.commit(data.size());
}

// A message that was understood has one encoding only, and it is what came.
inline void check_control(const wire::frame_view& frame)
{
  const auto canonical = [&frame](const auto& message) {
    const wire::control_frame again(message);
    require(std::ranges::equal(again.payload(), frame.payload), "one encoding for each message");
    const auto header = wire::decode_header(again.bytes().template first<wire::header_size>());
    require(header.type == frame.header.type, "the type of a message is that of its frame");
    require(header.descriptors == frame.header.descriptors, "descriptors as the message says");
  };
  std::error_code worker, primary;
  wire::visit_from_worker(frame, canonical, worker);
  wire::visit_from_primary(frame, canonical, primary);
  const bool hello = frame.header.type == static_cast<std::uint16_t>(wire::message_type::hello);
  require(worker || primary || hello, "only a hello goes both ways");
}

inline std::error_code decode_whole(
    std::span<const std::byte> stream, std::vector<seen_frame>& frames)
{
  wire::frame_decoder decoder(max_payload);
  append(decoder, stream);
  std::error_code ec;
  while (const auto frame = decoder.next(ec))
    frames.push_back({frame->header, {frame->payload.begin(), frame->payload.end()}});
  if (!ec) decoder.finish(ec);
  return ec;
}

inline void check_wire(std::span<const std::byte> input)
{
  std::vector<std::byte> stream;
  std::vector<seen_frame> frames, whole;
  std::error_code ec;
  bool descriptors_wrong = false;

  wire::frame_decoder decoder(max_payload);
  wire::descriptor_queue<int> queue;
  int sent = 0;
  int next_expected = 0;
  for (const auto& read : split_reads(input)) {
    stream.insert(stream.end(), read.data.begin(), read.data.end());
    if (ec || descriptors_wrong) continue; // the rest is for decode_whole only
    std::vector<int> batch;
    for (std::size_t i = 0; i != read.descriptors; ++i) batch.push_back(sent++);
    queue.push(batch, read.truncated);
    append(decoder, read.data);
    while (const auto frame = decoder.next(ec)) {
      require(frame->payload.size() == frame->header.length, "a payload as long as announced");
      require(frame->header.length <= max_payload, "no payload above the limit");
      check_control(*frame);
      if (frame->header.descriptors != 0) {
        std::error_code refused;
        auto taken = queue.take(frame->header.descriptors, refused);
        descriptors_wrong = static_cast<bool>(refused);
        if (descriptors_wrong) break;
        require(taken.count <= frame->header.descriptors, "not more than demanded");
        require(taken.truncated || taken.count == frame->header.descriptors, "as demanded");
        for (const int descriptor : taken.descriptors())
          require(descriptor == next_expected++, "each descriptor once, in order");
      }
      frames.push_back({frame->header, {frame->payload.begin(), frame->payload.end()}});
    }
    require(queue.size() == static_cast<std::size_t>(sent - next_expected) || descriptors_wrong,
        "no descriptor is lost");
    if (!ec && !descriptors_wrong) descriptors_wrong = !queue.fits(decoder.awaited_descriptors());
    if (!ec && !descriptors_wrong)
      require(queue.size() <= wire::max_descriptors, "what waits is bounded");
  }
  if (!ec) decoder.finish(ec);

  const auto whole_error = decode_whole(stream, whole);
  if (descriptors_wrong) {
    require(frames.size() <= whole.size(), "nothing but frames of the stream");
    whole.resize(frames.size());
  } else {
    require(ec == whole_error, "the same end however the stream was cut");
  }
  require(frames == whole, "the same frames however the stream was cut");
}

} // namespace cohort_test::fuzz
