// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/io/frame_output.hpp>

#include <doctest/doctest.h>

#include "support/channel_peer.hpp"

namespace frame_output_test {

using namespace cohort_test;
using state = io::frame_output::state;

namespace {

struct writing_pair : channel_pair {
  io::frame_output output;

  // Reads everything that is there.
  std::size_t drain()
  {
    std::size_t total = 0;
    bytes buffer(100'000);
    std::error_code ec;
    posix::fd_sink fds;
    for (;;) {
      const auto got = posix::receive_with_fds(second.get(), buffer, fds, ec);
      if (ec || got.bytes == 0) return total;
      total += got.bytes;
    }
  }
};

} // namespace

TEST_CASE("a frame is written at once, and queued when there is no room")
{
  writing_pair pair;
  CHECK(pair.output.send(pair.first.get(), make_frame(1, 10)) == state::done);
  CHECK(pair.drain() == 26);
  const auto large = make_frame(2, 1'000'000);
  CHECK(pair.output.send(pair.first.get(), large) == state::no_room);
  CHECK(pair.output.congested());
  CHECK(pair.output.send(pair.first.get(), make_frame(3, 4)) == state::done);
  std::size_t received = 0;
  while (pair.output.congested()) {
    received += pair.drain();
    const auto now = pair.output.flush(pair.first.get());
    CHECK(now == (pair.output.congested() ? state::no_room : state::done));
  }
  CHECK(received + pair.drain() == 16 + 1'000'000 + 16 + 4);
}

TEST_CASE("a refused frame counts as congestion until flush found nothing waiting")
{
  writing_pair pair;
  std::error_code ec;
  state now = state::failed;
  const std::vector<int> fds{pair.first.get()};
  const auto frame = make_frame(1, 0, 1);
  std::size_t sent = 0;
  while (pair.output.try_send(pair.first.get(), frame, fds, now, ec)) {
    CHECK(now == state::done);
    ++sent;
  }
  CHECK(now == state::no_room);
  CHECK_FALSE(ec);
  CHECK(pair.output.congested());
  CHECK(pair.output.queued_bytes() == 0);
  CHECK_FALSE(pair.output.try_send(pair.first.get(), frame, fds, now, ec));
  CHECK(now == state::done);
  CHECK(pair.drain() == sent * 16);
  CHECK(pair.output.flush(pair.first.get()) == state::done);
  CHECK_FALSE(pair.output.congested());
  CHECK(pair.output.try_send(pair.first.get(), frame, fds, now, ec));
}

TEST_CASE("the stream ends after what was queued, and takes nothing then")
{
  writing_pair pair;
  CHECK(pair.output.send(pair.first.get(), make_frame(1, 500'000)) == state::no_room);
  CHECK(pair.output.finish(pair.first.get()) == state::done);
  CHECK_FALSE(pair.output.accepts());
  CHECK(pair.output.send(pair.first.get(), make_frame(2)) == state::done);
  std::size_t received = 0;
  while (pair.output.congested()) {
    received += pair.drain();
    pair.output.flush(pair.first.get());
  }
  CHECK(received + pair.drain() == 500'016);
  std::byte byte;
  posix::fd_sink fds;
  std::error_code ec;
  CHECK(posix::receive_with_fds(pair.second.get(), {&byte, 1}, fds, ec).bytes == 0);
  CHECK_FALSE(ec);
}

TEST_CASE("a failure drops what waits and says so")
{
  writing_pair pair;
  CHECK(pair.output.send(pair.first.get(), make_frame(1, 500'000)) == state::no_room);
  pair.second.reset();
  CHECK(pair.output.flush(pair.first.get()) == state::failed);
  CHECK(pair.output.error() == std::errc::broken_pipe);
  CHECK(pair.output.failed_congested());
  CHECK_FALSE(pair.output.congested());
  CHECK_FALSE(pair.output.accepts());
  std::error_code ec;
  state now = state::failed;
  CHECK_FALSE(pair.output.try_send(pair.first.get(), make_frame(1), {}, now, ec));
  CHECK(ec == cohort::error::disconnected);
  CHECK(now == state::done);
  CHECK(pair.output.finish(pair.first.get()) == state::done);
}

TEST_CASE("a write to a peer that is gone fails at once")
{
  writing_pair pair;
  pair.second.reset();
  std::error_code ec;
  state now = state::done;
  CHECK_FALSE(pair.output.try_send(pair.first.get(), make_frame(1), {}, now, ec));
  CHECK(now == state::failed);
  CHECK(ec == std::errc::broken_pipe);
  CHECK_FALSE(pair.output.failed_congested());
}

} // namespace frame_output_test
