// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/io/frame_channel.hpp>

#include <doctest/doctest.h>

#include "support/channel_peer.hpp"

#include <numeric>
#include <sys/resource.h>

namespace frame_channel_test {

using namespace cohort_test;

namespace {

bytes joined(std::initializer_list<bytes> parts)
{
  bytes all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Descriptors that this process can still open before it is at its limit: `count`.
class descriptor_limit {
public:
  explicit descriptor_limit(unsigned count)
  {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    // Numbers are given lowest first: fill the gaps.
    std::vector<posix::unique_fd> free;
    for (;;) {
      posix::unique_fd fd(::fcntl(0, F_DUPFD_CLOEXEC, 0));
      const int number = fd.get();
      free.push_back(std::move(fd));
      if (free.size() == count + 1) {
        rlimit limit = before_;
        limit.rlim_cur = static_cast<rlim_t>(number);
        ::setrlimit(RLIMIT_NOFILE, &limit);
        return;
      }
    }
  }
  ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
  rlimit before_;
};

} // namespace

TEST_CASE("frames go both ways, in order and whole")
{
  channel_pair pair;
  pair.start_both();
  for (std::uint16_t i = 0; i != 100; ++i) {
    pair.left->channel.send(make_frame(i, i * 13u));
    pair.right->channel.send(make_frame(static_cast<std::uint16_t>(1000 + i), i));
  }
  REQUIRE(run_until(pair.context,
      [&] { return pair.left->frames.size() == 100 && pair.right->frames.size() == 100; }));
  for (std::uint16_t i = 0; i != 100; ++i) {
    CHECK(pair.right->frames[i].type == i);
    CHECK(pair.right->frames[i].size == i * 13u);
    CHECK(pair.right->frames[i].intact);
    CHECK(pair.left->frames[i].type == 1000 + i);
    CHECK(pair.left->frames[i].intact);
  }
  CHECK(pair.left->ends == 0);
}

TEST_CASE("no callback comes from inside a call")
{
  channel_pair pair;
  pair.write(make_frame(1));
  pair.start_left();
  CHECK(pair.left->frames.empty());
  pair.left->channel.send(make_frame(2));
  pair.second.reset();
  pair.left->channel.send(make_frame(3));
  CHECK(pair.left->ends == 0);
  REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
  CHECK(pair.left->frames.size() == 1);
}

TEST_CASE("glued and cut frames come out alike")
{
  channel_pair pair;
  pair.start_left();
  const auto stream = joined({make_frame(1, 3), make_frame(2, 0), make_frame(3, 500)});
  pair.write(stream);
  REQUIRE(run_until(pair.context, [&] { return pair.left->frames.size() == 3; }));
  for (const auto byte : stream) {
    pair.write({byte});
    run_ready(pair.context);
  }
  REQUIRE(run_until(pair.context, [&] { return pair.left->frames.size() == 6; }));
  for (std::size_t i = 0; i != 6; ++i) {
    CHECK(pair.left->frames[i].type == i % 3 + 1);
    CHECK(pair.left->frames[i].intact);
  }
}

TEST_CASE("each frame gets its own descriptors")
{
  channel_pair pair;
  distinct_files files;
  files.add(64);
  pair.start_both();
  std::error_code ec;
  std::size_t sent = 0;
  for (std::uint16_t i = 0; i != 10; ++i) {
    const std::size_t count = i % 5;
    const auto fds = files.numbers(sent % 50, count);
    if (count == 0) pair.left->channel.send(make_frame(i, 10));
    else REQUIRE(pair.left->channel.try_send(make_frame(i, 10, count), fds, ec));
    sent += count;
  }
  REQUIRE(pair.left->channel.try_send(make_frame(10, 0, 64), files.numbers(0, 64), ec));
  REQUIRE(run_until(pair.context, [&] { return pair.right->frames.size() == 11; }));
  sent = 0;
  for (std::uint16_t i = 0; i != 10; ++i) {
    CHECK(pair.right->frames[i].files == files.identities(sent % 50, i % 5));
    CHECK_FALSE(pair.right->frames[i].truncated);
    sent += i % 5;
  }
  CHECK(pair.right->frames[10].files == files.identities(0, 64));
}

TEST_CASE("a frame larger than the socket's buffer takes its descriptors along once")
{
  channel_pair pair;
  distinct_files files;
  files.add(3);
  pair.start_both(8 * 1024 * 1024);
  std::error_code ec;
  REQUIRE(pair.left->channel.try_send(make_frame(1, 5'000'000, 3), files.numbers(0, 3), ec));
  CHECK(pair.left->channel.congested());
  CHECK(pair.left->channel.queued_bytes() > 0);
  pair.left->channel.send(make_frame(2, 1));
  CHECK_FALSE(pair.left->channel.try_send(make_frame(3, 0, 1), files.numbers(0, 1), ec));
  CHECK_FALSE(ec);
  REQUIRE(run_until(
      pair.context, [&] { return pair.right->frames.size() == 2 && pair.left->writable == 1; }));
  CHECK(pair.right->frames[0].files == files.identities(0, 3));
  CHECK(pair.right->frames[0].intact);
  CHECK(pair.right->frames[1].files.empty());
  CHECK_FALSE(pair.left->channel.congested());
}

TEST_CASE("what the owner does not move out is closed, the rest is its own")
{
  channel_pair pair;
  distinct_files files;
  files.add(2);
  pair.start_both();
  pair.right->keep_files = true;
  std::error_code ec;
  REQUIRE(pair.left->channel.try_send(make_frame(1, 0, 2), files.numbers(0, 2), ec));
  REQUIRE(run_until(pair.context, [&] { return pair.right->frames.size() == 1; }));
  CHECK(pair.right->kept.size() == 2);
  CHECK(identity(pair.right->kept[1].get()) == files.identities(1, 1)[0]);
  CHECK((::fcntl(pair.right->kept[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("descriptors lost to a full table mark exactly their frame")
{
  for (const unsigned room : {0u, 1u, 2u, 3u}) {
    channel_pair pair;
    distinct_files files;
    files.add(3);
    pair.start_left();
    run_ready(pair.context); // whatever the context needs is open now
    pair.write(make_frame(1, 0, 1), files.numbers(0, 1));
    pair.write(make_frame(2, 5));
    pair.write(make_frame(3, 0, 3), files.numbers(0, 3));
    pair.write(make_frame(4, 0, 1), files.numbers(2, 1));
    {
      descriptor_limit limit(room);
      REQUIRE(run_until(pair.context, [&] { return pair.left->frames.size() == 4; }));
    }
    auto& frames = pair.left->frames;
    CHECK(frames[0].truncated == (room < 1));
    CHECK(frames[1].truncated == false);
    CHECK(frames[2].truncated == (room < 3));
    CHECK(frames[2].files == files.identities(0, std::min(room, 3u)));
    CHECK(frames[3].truncated == (room < 1));
    if (room >= 1) CHECK(frames[3].files == files.identities(2, 1));
    CHECK(pair.left->ends == 0);
  }
}

TEST_CASE("descriptors that no frame asks for are a violation")
{
  distinct_files files;
  files.add(2);
  const auto violation = [&](std::vector<std::pair<bytes, std::size_t>> writes) {
    channel_pair pair;
    pair.start_left();
    for (const auto& [data, descriptors] : writes) pair.write(data, files.numbers(0, descriptors));
    REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
    CHECK(pair.left->end == cohort::error::protocol_violation);
    CHECK_FALSE(pair.left->channel.is_open());
    return pair.left->frames.size();
  };
  CHECK(violation({{make_frame(1), 1}}) == 1);
  CHECK(violation({{make_frame(1, 0, 1), 2}}) == 1);
  CHECK(violation({{make_frame(1, 0, 2), 1}}) == 0);
  CHECK(violation({{make_frame(1, 0, 1), 0}}) == 0);
  const auto whole = make_frame(1, 10, 1);
  CHECK(violation({{bytes(whole.begin(), whole.begin() + 20), 2}}) == 0);
  CHECK(violation({{bytes(whole.begin(), whole.begin() + 20), 1}, {bytes(2), 1}}) == 0);
}

TEST_CASE("malformed frames end the channel with their error, after the good ones")
{
  auto flagged = make_frame(2);
  flagged[7] = std::byte(1);
  const std::vector<std::pair<bytes, std::error_code>> cases = {
      {make_frame(2, 1001), cohort::error::message_too_large},
      {make_frame(2, 0, 65), cohort::error::protocol_violation},
      {flagged, cohort::error::protocol_violation},
  };
  for (const auto& [bad, expected] : cases) {
    channel_pair pair;
    pair.start_left(1000);
    pair.write(joined({make_frame(1, 1000), bad, make_frame(3)}));
    REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
    CHECK(pair.left->end == expected);
    CHECK(pair.left->frames.size() == 1);
    CHECK_FALSE(pair.left->channel.is_open());
    run_ready(pair.context);
    CHECK(pair.left->ends == 1);
  }
}

TEST_CASE("both directions full at once is no deadlock")
{
  channel_pair pair;
  pair.start_both();
  constexpr std::size_t count = 3000;
  for (std::size_t i = 0; i != count; ++i) {
    pair.left->channel.send(make_frame(static_cast<std::uint16_t>(i), 1500));
    pair.right->channel.send(make_frame(static_cast<std::uint16_t>(i), 1500));
  }
  CHECK(pair.left->channel.congested());
  CHECK(pair.right->channel.congested());
  REQUIRE(run_until(pair.context,
      [&] { return pair.left->frames.size() == count && pair.right->frames.size() == count; }));
  for (const auto* side : {pair.left.get(), pair.right.get()})
    for (std::size_t i = 0; i != count; ++i) {
      REQUIRE(side->frames[i].type == i);
      REQUIRE(side->frames[i].intact);
    }
  REQUIRE(run_until(pair.context, [&] { return pair.left->writable && pair.right->writable; }));
  CHECK(pair.left->writable == 1);
  CHECK(pair.left->channel.queued_bytes() == 0);
}

TEST_CASE("a frame with descriptors waits for room, and is sent once")
{
  channel_pair pair;
  distinct_files files;
  files.add(1);
  pair.start_left();
  std::error_code ec;
  std::size_t sent = 0;
  const auto fill = [&] {
    while (sent != 2000 &&
           pair.left->channel.try_send(
               make_frame(static_cast<std::uint16_t>(sent), 0, 1), files.numbers(0, 1), ec))
      ++sent;
    REQUIRE_FALSE(ec);
  };
  pair.left->when_writable = fill;
  fill();
  CHECK(sent < 2000);
  CHECK(pair.left->channel.congested());
  CHECK(pair.left->channel.queued_bytes() == 0);
  pair.start_right();
  REQUIRE(run_until(pair.context, [&] { return pair.right->frames.size() == 2000; }));
  for (std::size_t i = 0; i != 2000; ++i) {
    REQUIRE(pair.right->frames[i].type == i);
    REQUIRE(pair.right->frames[i].files.size() == 1);
  }
}

TEST_CASE("a frame sent while a refused one waits keeps its place")
{
  channel_pair pair;
  distinct_files files;
  files.add(1);
  pair.start_left();
  std::error_code ec;
  std::uint16_t sent = 0;
  while (pair.left->channel.try_send(make_frame(sent, 0, 1), files.numbers(0, 1), ec)) ++sent;
  pair.left->channel.send(make_frame(sent++, 5));
  CHECK(pair.left->channel.queued_bytes() > 0);
  pair.start_right();
  REQUIRE(run_until(pair.context, [&] { return pair.right->frames.size() == sent; }));
  CHECK(pair.right->frames.back().type == sent - 1);
  REQUIRE(run_until(pair.context, [&] { return !pair.left->channel.congested(); }));
  CHECK(pair.left->writable == 1);
}

TEST_CASE("a descriptor that cannot be sent is an error of that call alone")
{
  channel_pair pair;
  pair.start_both();
  const std::vector<int> bad{-1};
  std::error_code ec;
  CHECK_FALSE(pair.left->channel.try_send(make_frame(1, 0, 1), bad, ec));
  CHECK(ec == std::errc::bad_file_descriptor);
  CHECK_FALSE(pair.left->channel.congested());
  pair.left->channel.send(make_frame(2));
  REQUIRE(run_until(pair.context, [&] { return pair.right->frames.size() == 1; }));
  CHECK(pair.right->frames[0].type == 2);
}

TEST_CASE("finish ends one direction, after what is queued")
{
  channel_pair pair;
  pair.start_both(8 * 1024 * 1024);
  pair.left->channel.send(make_frame(1, 3'000'000));
  pair.left->channel.finish();
  pair.left->channel.send(make_frame(2));
  REQUIRE(run_until(pair.context, [&] { return pair.right->ends == 1; }));
  CHECK(pair.right->end == asio::error::eof);
  REQUIRE(pair.right->frames.size() == 1);
  CHECK(pair.right->frames[0].intact);
  CHECK(pair.right->channel.is_open());

  pair.right->channel.send(make_frame(3, 3'000'000));
  REQUIRE(run_until(pair.context, [&] { return pair.left->frames.size() == 1; }));
  CHECK(pair.left->ends == 0);
  pair.right->channel.finish();
  REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
  CHECK(pair.left->end == asio::error::eof);
  std::error_code ec;
  CHECK_FALSE(pair.left->channel.try_send(make_frame(4), {}, ec));
  CHECK(ec == cohort::error::disconnected);
}

TEST_CASE("a peer that closes without reading everything is an end like any other")
{
  channel_pair pair;
  pair.start_left();
  pair.left->channel.send(make_frame(1, 100));
  pair.write(make_frame(2, 3));
  pair.second.reset();
  REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
  CHECK(pair.left->end == asio::error::eof);
  CHECK(pair.left->frames.size() == 1);
}

TEST_CASE("a stream that ends within a frame is truncated")
{
  for (const std::size_t size : {1u, 15u, 16u, 25u}) {
    channel_pair pair;
    distinct_files files;
    files.add(1);
    pair.start_left();
    auto frame = make_frame(2, 10, 1);
    frame.resize(size);
    pair.write(frame, files.numbers(0, 1));
    pair.second.reset();
    REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
    CHECK(pair.left->end == cohort::error::truncated);
    CHECK(pair.left->frames.empty());
  }
}

TEST_CASE("a peer that takes nothing any more is found by writing, after all it said was read")
{
  channel_pair pair;
  pair.start_left();
  for (int i = 0; i != 50; ++i) pair.write(make_frame(1, 1000));
  ::shutdown(pair.second.get(), SHUT_RD);
  pair.left->channel.send(make_frame(2));
  pair.left->channel.send(make_frame(3));
  CHECK_FALSE(pair.left->channel.congested());
  REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
  CHECK(pair.left->end == std::errc::broken_pipe);
  CHECK(pair.left->frames.size() == 50);
}

TEST_CASE("a failed write after the peer's end frees whoever waits for room")
{
  channel_pair pair;
  pair.start_left();
  ::shutdown(pair.second.get(), SHUT_WR);
  REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
  pair.left->channel.send(make_frame(1, 1'000'000));
  CHECK(pair.left->channel.congested());
  pair.second.reset();
  REQUIRE(run_until(pair.context, [&] { return pair.left->writable == 1; }));
  CHECK_FALSE(pair.left->channel.congested());
  CHECK(pair.left->ends == 1);
}

TEST_CASE("close within on_frame stops everything at once")
{
  channel_pair pair;
  distinct_files files;
  files.add(2);
  pair.start_left();
  pair.left->when_frame = [&] { pair.left->channel.close(); };
  pair.left->channel.send(make_frame(9, 1'000'000));
  pair.write(joined({make_frame(1), make_frame(2)}));
  pair.write(make_frame(3, 0, 2), files.numbers(0, 2));
  REQUIRE(run_until(pair.context, [&] { return !pair.left->frames.empty(); }));
  run_ready(pair.context);
  CHECK(pair.left->frames.size() == 1);
  CHECK(pair.left->ends == 0);
  CHECK(pair.left->writable == 0);
  CHECK_FALSE(pair.left->channel.is_open());
  pair.left->channel.close();
  pair.left->channel.finish();
  pair.left->channel.read_to_end();
  pair.left->channel.send(make_frame(4));
  CHECK(pair.left->channel.queued_bytes() == 0);
}

TEST_CASE("close within on_frame leaves that frame's payload and descriptors usable")
{
  channel_pair pair;
  distinct_files files;
  files.add(1);
  pair.start_left();
  pair.left->keep_files = true;
  pair.left->when_frame = [&] {
    pair.left->channel.close();
    CHECK(identity(pair.left->kept.at(0).get()) == files.identities(0, 1)[0]);
  };
  pair.write(make_frame(1, 10, 1), files.numbers(0, 1));
  REQUIRE(run_until(pair.context, [&] { return !pair.left->frames.empty(); }));
}

TEST_CASE("nothing is called after close, whatever was under way")
{
  channel_pair pair;
  pair.start_left();
  pair.left->channel.send(make_frame(1, 1'000'000));
  pair.write(make_frame(2));
  pair.second.reset();
  pair.left->channel.close();
  const std::weak_ptr<channel_peer> owner = pair.left;
  run_ready(pair.context);
  CHECK(pair.left->frames.empty());
  CHECK(pair.left->ends == 0);
  CHECK(pair.left->writable == 0);
  pair.left.reset();
  CHECK(owner.expired());
}

TEST_CASE("an open channel keeps its owner, a callback may drop it")
{
  channel_pair pair;
  pair.start_left();
  const std::weak_ptr<channel_peer> owner = pair.left;
  auto* const raw = pair.left.get();
  pair.left.reset();
  run_ready(pair.context);
  REQUIRE_FALSE(owner.expired());
  raw->when_frame = [raw] { raw->channel.close(); };
  pair.write(joined({make_frame(1), make_frame(2)}));
  REQUIRE(run_until(pair.context, [&] { return owner.expired(); }));
}

TEST_CASE("a context that goes away takes the owner with it")
{
  std::weak_ptr<channel_peer> owner;
  {
    channel_pair pair;
    pair.start_left();
    pair.left->channel.send(make_frame(1, 1'000'000));
    owner = pair.left;
    pair.left.reset();
  }
  CHECK(owner.expired());
}

TEST_CASE("reading to the end needs no event loop")
{
  for (const bool unread : {false, true}) {
    channel_pair pair;
    distinct_files files;
    files.add(1);
    pair.start_left();
    if (unread) pair.left->channel.send(make_frame(9, 10));
    for (std::uint16_t i = 0; i != 50; ++i) pair.write(make_frame(i, 1000));
    pair.write(make_frame(50, 0, 1), files.numbers(0, 1));
    pair.second.reset();
    pair.left->channel.read_to_end();
    CHECK(pair.left->frames.size() == 51);
    CHECK(pair.left->frames.back().files == files.identities(0, 1));
    CHECK(pair.left->ends == 1);
    CHECK(pair.left->end == asio::error::eof);
    CHECK_FALSE(pair.left->channel.is_open());
    run_ready(pair.context);
    CHECK(pair.left->ends == 1);
  }
}

TEST_CASE("reading to the end does not wait for others who hold the peer's socket")
{
  for (const bool cut : {false, true}) {
    channel_pair pair;
    pair.start_left();
    pair.write(make_frame(1, 5));
    if (cut) pair.write(bytes(3));
    pair.left->channel.read_to_end();
    CHECK(pair.left->frames.size() == 1);
    CHECK(pair.left->ends == 1);
    CHECK(pair.left->end == (cut ? cohort::error::truncated : std::error_code(asio::error::eof)));
  }
}

TEST_CASE("reading to the end has an end although somebody writes and writes")
{
  channel_pair pair;
  pair.start_left();
  const std::vector<std::byte> frame = make_frame(1, 60'000);
  std::size_t written = 0;
  pair.left->when_frame = [&] {
    pair.left->frames.clear();
    if (written > 64'000'000) return;
    pair.write(frame);
    written += frame.size();
  };
  pair.write(frame);
  pair.left->channel.read_to_end();
  CHECK(written >= 8'000'000);
  CHECK(written < 10'000'000);
  CHECK(pair.left->ends == 1);
  CHECK_FALSE(pair.left->channel.is_open());
}

TEST_CASE("reading to the end can be asked for from on_frame")
{
  channel_pair pair;
  pair.start_left();
  pair.left->when_frame = [&] { pair.left->channel.read_to_end(); };
  for (std::uint16_t i = 0; i != 50; ++i) pair.write(make_frame(i, 1000));
  pair.second.reset();
  REQUIRE(run_until(pair.context, [&] { return pair.left->ends == 1; }));
  CHECK(pair.left->frames.size() == 50);
  CHECK_FALSE(pair.left->channel.is_open());
}

TEST_CASE("a socket that cannot be used is told from the event loop")
{
  asio::io_context context(1);
  const auto peer = std::make_shared<channel_peer>(context, posix::unique_fd(), 100);
  CHECK_FALSE(peer->channel.is_open());
  peer->channel.send(make_frame(1));
  peer->channel.start(peer);
  CHECK(peer->ends == 0);
  REQUIRE(run_until(context, [&] { return peer->ends == 1; }));
  CHECK(peer->end == std::errc::bad_file_descriptor);
}

TEST_CASE("one channel that never pauses leaves others their turn")
{
  channel_pair busy;
  busy.start_both();
  std::error_code ec;
  auto sockets = posix::stream_pair(ec);
  REQUIRE_FALSE(ec);
  const auto quiet =
      std::make_shared<channel_peer>(busy.context, std::move(sockets.first), 64 * 1024);
  quiet->channel.start(quiet);
  bytes flood;
  for (int i = 0; i != 150; ++i) {
    const auto frame = make_frame(1, 1000);
    flood.insert(flood.end(), frame.begin(), frame.end());
  }
  busy.right->when_frame = [&] {
    if (busy.left->channel.queued_bytes() < 200'000) busy.left->channel.send(flood);
  };
  busy.left->channel.send(flood);
  REQUIRE(run_until(busy.context, [&] { return busy.right->frames.size() > 1000; }));
  const iovec one_frame{flood.data(), 1016};
  REQUIRE(posix::send_with_fds(sockets.second.get(), {&one_frame, 1}, {}, ec) == 1016);
  const auto before = busy.right->frames.size();
  REQUIRE(run_until(busy.context, [&] { return quiet->frames.size() == 1; }));
  CHECK(busy.right->frames.size() - before < 5000);
  quiet->channel.close();
}

} // namespace frame_channel_test
