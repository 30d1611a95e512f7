// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/io/frame_channel.hpp>

#include <doctest/doctest.h>

#include "support/channel_peer.hpp"
#include "support/failing_system_calls.hpp"

namespace frame_channel_faults {

using namespace cohort_test;

namespace {

constexpr std::size_t large_frame = 250'000;

// What both sides of a conversation saw, and whether it came to an end by itself.
struct conversation {
  bool finished = false;
  std::shared_ptr<channel_peer> left, right;
};

// Frames with and without descriptors in both directions, more than fits into the sockets, and a
// half-close by each side after its last frame.
conversation converse(channel_pair& pair, const distinct_files& files)
{
  pair.start_both(1024 * 1024);
  const auto talk = [&files](channel_peer& side, std::uint16_t& next) {
    while (next != 8) {
      std::error_code ec;
      const std::size_t size = next == 2 ? large_frame : next * 10u;
      if (next % 3 == 1) {
        const auto fds = files.numbers(next / 3u, 2);
        if (!side.channel.try_send(make_frame(next, size, 2), fds, ec)) {
          // An error that concerns these descriptors only: the frame is given up.
          if (ec && side.channel.is_open() && ec != cohort::error::disconnected) ++next;
          return ec;
        }
      } else {
        side.channel.send(make_frame(next, size));
      }
      ++next;
    }
    side.channel.finish();
    return std::error_code();
  };
  std::array<std::uint16_t, 2> next{};
  std::array<std::error_code, 2> failed;
  const std::array<std::shared_ptr<channel_peer>, 2> sides{pair.left, pair.right};
  for (std::size_t i = 0; i != 2; ++i) {
    sides[i]->when_writable = [&, i] { failed[i] = talk(*sides[i], next[i]); };
    failed[i] = talk(*sides[i], next[i]);
  }
  conversation result{false, pair.left, pair.right};
  result.finished = run_until(pair.context, [&] {
    for (std::size_t i = 0; i != 2; ++i) {
      // As its owner would: what cannot be sent ends the channel.
      if (failed[i]) sides[i]->channel.close();
      if (!sides[i]->channel.is_open()) sides[1 - i]->channel.read_to_end();
    }
    return (sides[0]->ends != 0 || !sides[0]->channel.is_open()) &&
           (sides[1]->ends != 0 || !sides[1]->channel.is_open());
  });
  for (const auto& side : sides) {
    side->when_writable = nullptr;
    side->channel.close();
  }
  return result;
}

void check_received(const channel_peer& side, const distinct_files& files)
{
  CHECK(side.ends <= 1);
  for (std::size_t i = 0; i != side.frames.size(); ++i) {
    const auto& frame = side.frames[i];
    CHECK(frame.type == i);
    CHECK(frame.intact);
    CHECK(frame.size == (i == 2 ? large_frame : i * 10));
    CHECK_FALSE(frame.truncated);
    CHECK(frame.files == (i % 3 == 1 ? files.identities(i / 3, 2) : std::vector<ino_t>()));
  }
}

void check_complete(const conversation& talk, const distinct_files& files)
{
  CHECK(talk.finished);
  for (const auto& side : {talk.left, talk.right}) {
    check_received(*side, files);
    CHECK(side->frames.size() == 8);
    CHECK(side->ends == 1);
    CHECK(side->end == asio::error::eof);
  }
}

} // namespace

TEST_CASE("a conversation is the same however little each call transfers")
{
  distinct_files files;
  files.add(6);
  for (const std::size_t receive : {13u, 5000u, 0u}) {
    for (const std::size_t send : {29u, 1000u, 0u}) {
      CAPTURE(receive);
      CAPTURE(send);
      faults faults;
      faults.shorten(call::recvmsg, receive);
      faults.shorten(call::sendmsg, send);
      channel_pair pair;
      check_complete(converse(pair, files), files);
    }
  }
}

TEST_CASE("small frames come through byte by byte on both sides")
{
  distinct_files files;
  files.add(2);
  faults faults;
  faults.shorten(call::recvmsg, 1);
  faults.shorten(call::sendmsg, 1);
  channel_pair pair;
  pair.start_both();
  std::error_code ec;
  REQUIRE(pair.left->channel.try_send(make_frame(0, 3, 2), files.numbers(0, 2), ec));
  pair.left->channel.send(make_frame(1, 30));
  pair.left->channel.finish();
  REQUIRE(run_until(pair.context, [&] { return pair.right->ends == 1; }));
  REQUIRE(pair.right->frames.size() == 2);
  CHECK(pair.right->frames[0].files == files.identities(0, 2));
  CHECK(pair.right->frames[1].intact);
  CHECK(pair.right->end == asio::error::eof);
  pair.left->channel.close();
}

TEST_CASE("interruptions and full sockets anywhere change nothing")
{
  distinct_files files;
  files.add(6);
  for (const int error : {EINTR, EAGAIN, ENOBUFS, ENOMEM, ETOOMANYREFS}) {
    CAPTURE(error);
    unsigned calls = 0;
    {
      faults faults;
      channel_pair pair;
      converse(pair, files);
      calls = std::max(faults.count(call::sendmsg), faults.count(call::recvmsg));
    }
    for (unsigned n = 1; n <= calls; ++n) {
      CAPTURE(n);
      channel_pair pair;
      faults faults;
      for (const auto kind : {call::sendmsg, call::recvmsg}) faults.fail(kind, n, error);
      check_complete(converse(pair, files), files);
    }
  }
}

TEST_CASE("any call that fails for good leads to named ends, and nothing is left over")
{
  distinct_files files;
  files.add(6);
  unsigned calls = 0;
  {
    faults faults;
    channel_pair pair;
    converse(pair, files);
    calls = faults.count(call::any);
  }
  REQUIRE(calls > 10);
  for (const int error : {EMFILE, EPIPE, ECONNRESET, EIO, EBADF, EINVAL, EINTR, EAGAIN}) {
    for (unsigned n = 1; n <= calls; ++n) {
      CAPTURE(error);
      CAPTURE(n);
      channel_pair pair;
      faults faults;
      faults.fail(call::any, n, error);
      const auto talk = converse(pair, files);
      CHECK(talk.finished);
      for (const auto& side : {talk.left, talk.right}) {
        // A frame whose descriptors were refused may be missing, none may be changed.
        for (const auto& frame : side->frames) CHECK(frame.intact);
        CHECK(side->ends <= 1);
        if (side->ends == 1) CHECK(side->end);
      }
    }
  }
}

TEST_CASE("memory that is short for a while delays a frame with descriptors")
{
  distinct_files files;
  files.add(1);
  for (const int error : {ENOBUFS, ENOMEM, ETOOMANYREFS}) {
    faults faults;
    channel_pair pair;
    pair.start_both();
    faults.fail(call::sendmsg, 1, error, 4);
    std::error_code ec;
    bool sent = false;
    const auto attempt = [&] {
      sent = pair.left->channel.try_send(make_frame(1, 0, 1), files.numbers(0, 1), ec);
      CHECK_FALSE(ec);
    };
    pair.left->when_writable = attempt;
    attempt();
    CHECK_FALSE(sent);
    CHECK(pair.left->channel.congested());
    REQUIRE(run_until(pair.context, [&] { return pair.right->frames.size() == 1; }));
    CHECK(sent);
    CHECK(pair.left->writable == 4);
    CHECK(faults.count(call::sendmsg) == 5);
    pair.left->channel.close();
    pair.right->channel.close();
  }
}

TEST_CASE("memory that stays short is asked for ever more rarely")
{
  distinct_files files;
  files.add(1);
  faults faults;
  channel_pair pair;
  pair.start_left();
  faults.fail_all(call::sendmsg, ENOBUFS);
  pair.left->channel.send(make_frame(1));
  pair.context.run_for(std::chrono::milliseconds(200));
  // 1, 2, 4, ... 64, 100 ms; a slow machine makes it fewer.
  CHECK(faults.count(call::sendmsg) <= 10);
  CHECK(pair.left->channel.queued_bytes() == wire::header_size);
  CHECK(pair.left->ends == 0);
  pair.left->channel.close();
}

TEST_CASE("reading to the end goes on past a reset and past short memory")
{
  for (const int error : {ECONNRESET, ENOMEM, EINTR}) {
    for (unsigned n = 1; n != 4; ++n) {
      faults faults;
      channel_pair pair;
      pair.start_left();
      pair.write(make_frame(1, 5));
      pair.write(make_frame(2, 5));
      pair.second.reset();
      faults.fail(call::recvmsg, n, error);
      pair.left->channel.read_to_end();
      CHECK(pair.left->frames.size() == 2);
      CHECK(pair.left->ends == 1);
      CHECK(pair.left->end == asio::error::eof);
    }
  }
}

TEST_CASE("reading to the end ends, whatever the system says for ever")
{
  for (const int error : {ECONNRESET, ENOMEM, EAGAIN, EIO}) {
    faults faults;
    channel_pair pair;
    pair.start_left();
    pair.write(make_frame(1));
    faults.fail_all(call::recvmsg, error);
    pair.left->channel.read_to_end();
    CHECK(pair.left->ends == 1);
    CHECK(pair.left->end);
    CHECK_FALSE(pair.left->channel.is_open());
  }
}

TEST_CASE("a half-close that fails ends the channel with its error")
{
  faults faults;
  channel_pair pair;
  pair.start_left();
  faults.fail(call::shutdown, 1, EIO);
  pair.left->channel.finish();
  REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
  CHECK(pair.left->end == std::errc::io_error);
}

} // namespace frame_channel_faults
