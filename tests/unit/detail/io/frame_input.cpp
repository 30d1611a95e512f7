// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/io/frame_input.hpp>

#include <doctest/doctest.h>

#include "support/channel_peer.hpp"

namespace frame_input_test {

using namespace cohort_test;

namespace {

struct reading_pair : channel_pair {
  io::frame_input input{1000};
  std::optional<io::frame_input::taken_descriptors> taken;
  std::error_code ec;

  io::frame_input::arrival receive() { return input.receive(first.get(), ec); }

  std::optional<wire::frame_view> next() { return input.next(taken, ec); }
};

} // namespace

TEST_CASE("one read brings what is there, and says whether that was all")
{
  reading_pair pair;
  pair.receive();
  CHECK(posix::would_block(pair.ec));
  pair.write(make_frame(1, 5));
  pair.write(make_frame(2, 6));
  const auto arrived = pair.receive();
  CHECK_FALSE(pair.ec);
  CHECK(arrived.bytes == 2 * 16 + 11);
  CHECK(arrived.drained);
  CHECK(pair.next()->header.type == 1);
  CHECK(pair.next()->header.type == 2);
  CHECK_FALSE(pair.next());
  CHECK_FALSE(pair.ec);
}

TEST_CASE("a read that brought descriptors does not count as drained")
{
  reading_pair pair;
  distinct_files files;
  files.add(2);
  pair.write(make_frame(1));
  pair.write(make_frame(2, 0, 2), files.numbers(0, 2));
  pair.write(make_frame(3));
  CHECK_FALSE(pair.receive().drained);
  CHECK(pair.next()->header.type == 1);
  CHECK_FALSE(pair.taken);
  CHECK(pair.next()->header.type == 2);
  REQUIRE(pair.taken);
  CHECK(pair.taken->count == 2);
  CHECK_FALSE(pair.next());
  CHECK_FALSE(pair.taken);
  CHECK_FALSE(pair.ec);
  CHECK(pair.receive().drained);
  CHECK(pair.next()->header.type == 3);
}

TEST_CASE("descriptors may come before the rest of their frame, others may not")
{
  for (const std::size_t count : {1u, 2u}) {
    reading_pair pair;
    distinct_files files;
    files.add(2);
    auto frame = make_frame(1, 10, 1);
    frame.resize(20);
    pair.write(frame, files.numbers(0, count));
    pair.receive();
    CHECK_FALSE(pair.next());
    CHECK(pair.ec == (count == 1 ? std::error_code() : cohort::error::protocol_violation));
    pair.input.close_descriptors();
  }
}

TEST_CASE("the end of a stream is an end, or a truncation within a frame")
{
  reading_pair pair;
  pair.write(make_frame(1, 3));
  pair.write(bytes(1));
  pair.second.reset();
  CHECK(pair.receive().bytes == 20);
  CHECK(pair.next());
  CHECK_FALSE(pair.next());
  CHECK(pair.receive().bytes == 0);
  CHECK_FALSE(pair.ec);
  CHECK(pair.input.end_reason() == cohort::error::truncated);
  CHECK(io::frame_input(10).end_reason() == asio::error::eof);
}

} // namespace frame_input_test
