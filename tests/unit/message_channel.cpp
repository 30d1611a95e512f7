// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message_channel.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/message_pair.hpp"

#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/message/json.hpp>

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

namespace message_channel_test {

using namespace cohort_test;
using cohort::handle;
using cohort::send_status;
namespace wire = cohort::detail::wire;

namespace {

std::uint32_t number_of(const test_envelope& envelope)
{
  return std::get<note>(envelope.message).number;
}

asio::awaitable<verdict> never(question)
{
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, std::chrono::hours(1));
  co_await timer.async_wait(asio::use_awaitable);
  co_return verdict();
}

// Owns a channel, and waits for everything that can be waited for.
asio::awaitable<void> hold(test_channel channel, bool& called, bool asks)
{
  channel.serve<question>(never);
  if (asks) {
    channel.request<verdict>(question(), [&called](std::error_code, verdict) { called = true; });
  } else {
    // The peer, which waits for no reply, reads one, and then has more than it keeps for nobody.
    channel.send(make_blob(4'000'000));
    channel.send(make_blob(4'000'000), [&called](std::error_code) { called = true; });
  }
  co_await channel.receive<note>(asio::use_awaitable);
  called = true;
}

// Runs `child` with one socket in a process of its own, which ends with its result.
template <class Child>
struct forked_peer {
  asio::io_context context{1};
  std::optional<test_channel> channel;
  pid_t pid = -1;

  explicit forked_peer(Child child)
  {
    auto sockets = connected_sockets(context);
    pid = ::fork();
    if (pid == 0) {
      // Nothing of the parent's event loop is used here.
      const int socket = ::dup(sockets[1].native_handle());
      ::close(sockets[0].native_handle());
      ::close(sockets[1].native_handle());
      asio::io_context own(1);
      ::_exit(child(own, socket_type(own, asio::local::stream_protocol(), socket)));
    }
    channel.emplace(std::move(sockets[0]));
  }

  int status() const
  {
    int value = 0;
    return ::waitpid(pid, &value, 0) == pid ? value : -1;
  }
};

template <class Child>
forked_peer(Child) -> forked_peer<Child>;

} // namespace

TEST_CASE("finish: all that was sent arrives, then the end; the other direction goes on")
{
  message_pair pair;
  for (std::uint32_t i = 0; i != 2'000; ++i) pair.left->send(make_note(i, std::string(500, 'x')));
  pair.left->finish();
  CHECK(pair.left->send(note()) == send_status::not_connected);
  for (std::uint32_t i = 0; i != 2'000; ++i) REQUIRE(number_of(pair.next(*pair.right).value) == i);
  CHECK(pair.next(*pair.right).error == cohort::error::disconnected);
  CHECK(pair.right->send(make_note(7)) == send_status::accepted);
  CHECK(number_of(pair.next(*pair.left).value) == 7);
  pair.right->finish();
  CHECK(pair.next(*pair.left).error == cohort::error::disconnected);
  // Nothing keeps the context busy then.
  pair.context.restart();
  pair.context.run();
}

TEST_CASE("close ends every wait, and what was read before can still be received")
{
  message_pair pair;
  pair.right->send(make_note(1));
  pair.right->send(make_note(2));
  pair.right->send(make_note(3));
  completion<cohort::envelope<verdict>> skipping;
  pair.left->receive<verdict>(skipping.handler());
  run_ready(pair.context);
  completion<> flushed;
  pair.left->send(make_blob(4'000'000), flushed.handler());
  completion<verdict> asked;
  pair.left->request<verdict>(question(), std::chrono::hours(1), asked.handler());
  CHECK(number_of(pair.next(*pair.left).value) == 1);
  pair.left->close();
  pair.left->close();
  CHECK(pair.left->queued_bytes() == 0);
  REQUIRE(pair.until([&] { return flushed.done() && asked.done() && skipping.done(); }));
  CHECK(flushed.error == cohort::error::disconnected);
  CHECK(asked.error == cohort::error::disconnected);
  CHECK(skipping.error == cohort::error::disconnected);
  CHECK(number_of(pair.next(*pair.left).value) == 2);
  test_envelope third;
  CHECK(pair.left->try_receive(third));
  CHECK(pair.next(*pair.left).error == cohort::error::disconnected);
  pair.left->finish();
  pair.context.restart();
  pair.context.run();
}

TEST_CASE("a channel can be moved, assigned to and destroyed while it works")
{
  message_pair pair;
  test_channel moved(std::move(*pair.left));
  completion<test_envelope> got;
  moved.receive(got.handler());
  pair.right->send(make_note(1));
  REQUIRE(pair.until([&] { return got.done(); }));
  CHECK(number_of(got.value) == 1);

  message_pair other;
  completion<test_envelope> ended;
  other.left->receive(ended.handler());
  *other.left = std::move(moved);
  REQUIRE(other.until([&] { return ended.done(); }));
  CHECK(ended.error == cohort::error::disconnected);
  CHECK(other.next(*other.right).error == cohort::error::disconnected);
  other.left->send(make_note(2));
  CHECK(number_of(pair.next(*pair.right).value) == 2);

  // Out of its own handler.
  completion<test_envelope> last;
  other.left->receive([&](std::error_code error, test_envelope) {
    other.left.reset();
    last.handler()(error, test_envelope());
  });
  pair.right->send(make_note(3));
  pair.right->send(make_note(4));
  REQUIRE(pair.until([&] { return last.done(); }));
  CHECK(last.good());
}

TEST_CASE("on_problem is not called after the channel's end, which may be in there")
{
  half_pair half;
  int problems = 0;
  half.channel->on_problem([&](const cohort::channel_problem&) {
    ++problems;
    half.channel.reset();
  });
  completion<test_envelope> got;
  half.channel->receive(got.handler());
  auto unknown = frame_of(make_note(1));
  unknown[wire::header_size] ^= std::byte(1);
  for (int i = 0; i != 3; ++i) asio::write(half.peer, asio::buffer(unknown));
  REQUIRE(run_until(half.context, [&] { return got.done(); }));
  run_ready(half.context);
  CHECK(got.error == cohort::error::disconnected);
  CHECK(problems == 1);
}

TEST_CASE("a context that goes first takes what waits with it, channels too")
{
  bool called = false;
  {
    asio::io_context context(1);
    for (const bool asks : {false, true}) {
      for (auto& socket : connected_sockets(context)) {
        test_channel channel(std::move(socket));
        asio::co_spawn(context, hold(std::move(channel), called, asks), asio::detached);
      }
    }
    context.poll();
  }
  CHECK_FALSE(called);
}

TEST_CASE("nothing is lost before there is a receiver, not even a peer that has gone")
{
  asio::io_context context(1);
  auto sockets = connected_sockets(context);
  {
    test_channel sender(std::move(sockets[0]));
    for (std::uint32_t i = 0; i != 100; ++i) sender.send(make_note(i));
    completion<> flushed;
    sender.flushed(flushed.handler());
    REQUIRE(run_until(context, [&] { return flushed.done(); }));
  }
  test_channel receiver(std::move(sockets[1]));
  for (std::uint32_t i = 0; i != 101; ++i) {
    completion<test_envelope> got;
    receiver.receive(got.handler());
    REQUIRE(run_until(context, [&] { return got.done(); }));
    if (i == 100) CHECK(got.error == cohort::error::disconnected);
    else REQUIRE(number_of(got.value) == i);
  }
}

TEST_CASE("a message larger than this side takes ends the channel before it is read")
{
  cohort::channel_options small;
  small.max_message_size(1'000);
  half_pair half(small);
  asio::write(half.peer, asio::buffer(frame_of(make_note(1, std::string(1'000 - 8, 'x')))));
  CHECK(number_of(half.next().value) == 1);
  asio::write(half.peer, asio::buffer(frame_of(make_note(1, std::string(1'001 - 8, 'x')))));
  CHECK(half.next().error == cohort::error::disconnected);
  run_ready(half.context);
  REQUIRE(half.problems.size() == 1);
  CHECK(half.problems[0].code == cohort::error::message_too_large);
  CHECK(half.channel->send(note()) == send_status::not_connected);
}

TEST_CASE("a stream that breaks off in a message: what came before is received, then the end")
{
  half_pair half;
  asio::write(half.peer, asio::buffer(frame_of(make_note(1))));
  const auto frame = frame_of(make_note(2));
  asio::write(half.peer, asio::buffer(frame.data(), frame.size() - 1));
  half.peer.close();
  CHECK(number_of(half.next().value) == 1);
  CHECK(half.next().error == cohort::error::disconnected);
  run_ready(half.context);
  CHECK(half.problems.empty());
}

TEST_CASE("frames that do not exist end the channel")
{
  const auto changed = [](std::size_t at, unsigned value) {
    auto frame = frame_of(make_note(1));
    frame[at] = static_cast<std::byte>(value);
    return frame;
  };
  std::vector<std::byte> short_one(wire::header_size + 7);
  wire::frame_header header;
  header.length = 7;
  header.type = 1;
  wire::encode_header(header, std::span(short_one).first<wire::header_size>());
  // Kind 0 and 5, a failure with a body, a payload without a whole type, descriptors that never
  // came.
  const std::vector<std::vector<std::byte>> frames{changed(4, 0), changed(4, 5), changed(4, 4),
      short_one, frame_of(make_note(1), wire::message_kind::message, 0, 1)};
  for (const auto& frame : frames) {
    half_pair half;
    asio::write(half.peer, asio::buffer(frame));
    asio::write(half.peer, asio::buffer(frame_of(make_note(2))));
    CHECK(half.next().error == cohort::error::disconnected);
    run_ready(half.context);
    REQUIRE(half.problems.size() == 1);
    CHECK(half.problems[0].code == cohort::error::protocol_violation);
  }
}

TEST_CASE("frames in random pieces are the same messages")
{
  std::mt19937 random(11);
  std::vector<std::byte> stream;
  for (std::uint32_t i = 0; i != 60; ++i) {
    const auto frame = frame_of(make_note(i, std::string(random() % 300, 'x')));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  for (int round = 0; round != 20; ++round) {
    half_pair half;
    std::vector<std::uint32_t> got;
    std::function<void()> receive = [&] {
      half.channel->receive([&](std::error_code error, test_envelope envelope) {
        if (error) return;
        got.push_back(number_of(envelope));
        receive();
      });
    };
    receive();
    for (std::size_t at = 0; at != stream.size();) {
      const std::size_t part = std::min<std::size_t>(1 + random() % 400, stream.size() - at);
      asio::write(half.peer, asio::buffer(stream.data() + at, part));
      at += part;
      if (random() % 2 != 0) run_ready(half.context);
    }
    REQUIRE(run_until(half.context, [&] { return got.size() == 60; }));
    for (std::uint32_t i = 0; i != 60; ++i) REQUIRE(got[i] == i);
  }
}

TEST_CASE("a peer whose requests fail and who never reads is given up, not remembered for ever")
{
  cohort::channel_options small;
  small.high_water(10'000).queue_limit(20'000);
  half_pair half(small);
  half.peer.non_blocking(true);
  completion<test_envelope> got;
  half.channel->receive(got.handler());
  auto unknown = frame_of(make_note(1), wire::message_kind::request, 1);
  unknown[wire::header_size] ^= std::byte(1);
  for (int i = 0; i != 100'000 && !got.done(); ++i) {
    std::error_code ignored;
    half.peer.write_some(asio::buffer(unknown), ignored);
    if (i % 100 == 0) run_ready(half.context);
  }
  REQUIRE(got.done());
  CHECK(got.error == cohort::error::disconnected);
  CHECK(half.problems.back().code == cohort::error::queue_full);
}

TEST_CASE("several handles go with a message, and are moved from")
{
  message_pair pair;
  auto first = make_pipe(), second = make_pipe();
  const ino_t files[] = {
      file_identity(first[0].native_handle()), file_identity(second[1].native_handle())};
  std::vector<handle> both;
  both.push_back(std::move(first[0]));
  both.push_back(std::move(second[1]));
  CHECK(pair.left->send(make_note(1), std::move(both)) == send_status::accepted);
  CHECK(both.empty());
  handle one = first[1].duplicate();
  CHECK(pair.left->send(make_note(2), std::move(one)) == send_status::accepted);
  CHECK_FALSE(one);
  pair.left->send(make_note(3));

  auto got = pair.next(*pair.right);
  REQUIRE(got.value.handles.size() == 2);
  CHECK_FALSE(got.value.handles_lost);
  CHECK(file_identity(got.value.handles[0].native_handle()) == files[0]);
  CHECK(file_identity(got.value.handles[1].native_handle()) == files[1]);
  CHECK(got.value.handles[0].kind() == cohort::handle_kind::pipe);
  completion<cohort::envelope<note>> next;
  pair.right->receive<note>(next.handler());
  REQUIRE(pair.until([&] { return next.done(); }));
  CHECK(next.value.message.number == 2);
  REQUIRE(next.value.handles.size() == 1);
  CHECK(::write(next.value.handles[0].native_handle(), "x", 1) == 1);
  CHECK(pair.next(*pair.right).value.handles.empty());
}

TEST_CASE("64 handles go with one message; what cannot be sent stays the sender's")
{
  message_pair pair;
  const auto pipe = make_pipe();
  std::vector<handle> many;
  for (int i = 0; i != 64; ++i) many.push_back(pipe[0].duplicate());
  CHECK(pair.left->send(make_note(1), std::move(many)) == send_status::accepted);
  CHECK(pair.next(*pair.right).value.handles.size() == 64);
  many.clear();
  for (int i = 0; i != 65; ++i) many.push_back(pipe[0].duplicate());
  CHECK(pair.left->send(make_note(2), std::move(many)) == send_status::handle_refused);
  CHECK(many.size() == 65);
  CHECK(many[64]);

  handle epoll = handle::adopt(::epoll_create1(EPOLL_CLOEXEC));
  CHECK(pair.left->send(make_note(3), std::move(epoll)) == send_status::handle_refused);
  CHECK(epoll);
  handle nothing;
  CHECK(pair.left->send(make_note(3), std::move(nothing)) == send_status::handle_refused);
  // An end of a channel, found by a descriptor of this process.
  auto sockets = connected_sockets(pair.context);
  handle end = handle::duplicate_of(sockets[0]);
  const test_channel other(std::move(sockets[0]));
  CHECK(pair.left->send(make_note(3), std::move(end)) == send_status::handle_refused);
  CHECK(end);
  CHECK(pair.left->queued_bytes() == 0);

  // Other reasons keep them as well.
  handle kept = pipe[0].duplicate();
  pair.left->close();
  CHECK(pair.left->send(make_note(3), std::move(kept)) == send_status::not_connected);
  CHECK(kept);
}

TEST_CASE("both sides send handles at once, thousands, without a deadlock")
{
  constexpr std::uint32_t count = 3'000;
  message_pair pair;
  const auto pipe = make_pipe();
  const ino_t file = file_identity(pipe[0].native_handle());
  // So many are open here at once that not all can be queued.
  std::array<std::uint32_t, 2> sent{}, received{};
  std::array<test_channel*, 2> sides{&*pair.left, &*pair.right};
  std::function<void(std::size_t)> receive = [&](std::size_t side) {
    sides[side]->receive([&, side](std::error_code error, test_envelope envelope) {
      REQUIRE_FALSE(error);
      REQUIRE(number_of(envelope) == received[side]);
      REQUIRE(envelope.handles.size() == 1 + received[side] % 3);
      for (const handle& each : envelope.handles)
        REQUIRE(file_identity(each.native_handle()) == file);
      ++received[side];
      receive(side);
    });
  };
  const auto more = [&](std::size_t side) {
    for (int i = 0; i != 20 && sent[side] != count; ++i, ++sent[side]) {
      std::vector<handle> attached;
      for (std::uint32_t n = 0; n != 1 + sent[side] % 3; ++n)
        attached.push_back(pipe[0].duplicate());
      REQUIRE(cohort::is_sent(sides[side]->send(
          make_note(sent[side], std::string(sent[side] % 50, 'x')), std::move(attached))));
    }
  };
  // The first ones wait in both sockets before anybody reads.
  more(0);
  more(1);
  run_ready(pair.context);
  receive(0);
  receive(1);
  std::function<void(std::size_t)> go_on = [&](std::size_t side) {
    sides[side]->flushed([&, side](std::error_code) {
      more(side);
      if (sent[side] != count) go_on(side);
    });
  };
  go_on(0);
  go_on(1);
  CHECK(pair.until([&] { return received[0] == count && received[1] == count; }));
}

TEST_CASE("a memfd of 64 MiB goes along without a copy")
{
  constexpr std::size_t size = 64 * 1024 * 1024;
  message_pair pair;
  handle memory = handle::adopt(::memfd_create("shared", MFD_CLOEXEC));
  REQUIRE(::ftruncate(memory.native_handle(), size) == 0);
  void* const here =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.native_handle(), 0);
  REQUIRE(here != MAP_FAILED);
  pair.left->send(make_note(1), std::move(memory));
  completion<test_envelope> got;
  const auto used = allocations_of([&] { got = pair.next(*pair.right); });
  CHECK(used.bytes < 1024 * 1024);
  REQUIRE(got.value.handles.size() == 1);
  CHECK(got.value.handles[0].kind() == cohort::handle_kind::memfd);
  void* const there = ::mmap(
      nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, got.value.handles[0].native_handle(), 0);
  REQUIRE(there != MAP_FAILED);
  // The same memory, not a copy of it.
  std::memset(static_cast<char*>(there) + size - 10, 7, 10);
  CHECK(static_cast<const char*>(here)[size - 1] == 7);
  ::munmap(here, size);
  ::munmap(there, size);
}

TEST_CASE("a receiver without free descriptors is told, and the channel goes on")
{
  forked_peer peer([](asio::io_context& context, socket_type socket) {
    test_channel channel(std::move(socket));
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const int next = ::dup(STDERR_FILENO);
    ::close(next);
    // Room for one more.
    rlimit narrow = limit;
    narrow.rlim_cur = static_cast<rlim_t>(next) + 1;
    ::setrlimit(RLIMIT_NOFILE, &narrow);
    std::vector<test_envelope> got;
    const auto receive = [&] {
      completion<test_envelope> one;
      channel.receive(one.handler());
      run_until(context, [&] { return one.done(); });
      if (one.good()) got.push_back(std::move(one.value));
      return one.good();
    };
    if (!receive() || !receive()) return 1;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (!receive()) return 2;
    if (number_of(got[0]) != 1 || !got[0].handles_lost || got[0].handles.size() >= 3) return 3;
    if (number_of(got[1]) != 2 || got[1].handles_lost) return 4;
    if (number_of(got[2]) != 3 || got[2].handles_lost || got[2].handles.size() != 1) return 5;
    return 0;
  });
  const auto pipe = make_pipe();
  std::vector<handle> three;
  for (int i = 0; i != 3; ++i) three.push_back(pipe[0].duplicate());
  peer.channel->send(make_note(1), std::move(three));
  peer.channel->send(make_note(2));
  completion<> flushed;
  peer.channel->flushed(flushed.handler());
  REQUIRE(run_until(peer.context, [&] { return flushed.done(); }));
  peer.channel->send(make_note(3), pipe[0].duplicate());
  peer.channel->flushed(flushed.handler());
  REQUIRE(run_until(peer.context, [&] { return flushed.times == 2; }));
  CHECK(peer.status() == 0);
}

TEST_CASE("a peer that dies with handles in flight leaves none here")
{
  const auto pipe = make_pipe();
  forked_peer peer([&pipe](asio::io_context& context, socket_type socket) {
    test_channel channel(std::move(socket));
    for (std::uint32_t i = 0; i != 50; ++i) channel.send(make_note(i), pipe[0].duplicate());
    run_ready(context);
    return 0;
  });
  // It never reads these.
  for (std::uint32_t i = 0; i != 50; ++i) peer.channel->send(make_note(i), pipe[0].duplicate());
  run_ready(peer.context);
  CHECK(peer.status() == 0);
  completion<test_envelope> got;
  peer.channel->receive(got.handler());
  REQUIRE(run_until(peer.context, [&] { return got.done(); }));
  CHECK(got.value.handles.size() == 1);
  completion<cohort::envelope<verdict>> ended;
  peer.channel->receive<verdict>(ended.handler());
  REQUIRE(run_until(peer.context, [&] { return ended.done(); }));
  CHECK(ended.error == cohort::error::disconnected);
  // The check around each test counts what is open.
}

namespace {

// Sends a burst, and when all of it was received by the other side the next one. Receives as a
// program's loop does: what came together is taken without a wait.
template <class Channel>
struct ping_pong {
  basic_message_pair<Channel>& pair;
  std::uint32_t size;
  int bursts;
  note message;
  std::uint32_t missing = 0;

  void burst()
  {
    if (bursts-- == 0) return pair.context.stop();
    missing = size;
    for (std::uint32_t i = 0; i != size; ++i) pair.left->send(message);
  }

  struct receiver {
    ping_pong* self;
    void operator()(std::error_code, typename Channel::envelope_type envelope) const
    {
      do --self->missing;
      while (self->pair.right->try_receive(envelope));
      self->pair.right->receive(*this);
      if (self->missing == 0) self->burst();
    }
  };
};

// What twenty bursts and the end of one more allocate, after twenty others.
template <class Channel>
allocations allocations_of_bursts(std::uint32_t size, const note& message)
{
  basic_message_pair<Channel> pair;
  ping_pong<Channel> play{pair, size, 40, message};
  // All in one run: what Asio keeps for reuse it keeps for the thread that runs the context.
  asio::post(pair.context, [&] {
    pair.right->receive(typename ping_pong<Channel>::receiver{&play});
    play.burst();
  });
  while (play.bursts != 20) pair.context.run_one();
  pair.context.restart();
  asio::post(pair.context, [] {});
  const allocations used = allocations_of([&] { pair.context.run(); });
  CHECK(play.bursts == -1);
  return used;
}

// What the codec itself allocates for one message, encoded into memory that is there.
template <class Codec>
allocations allocations_of_codec(const note& message)
{
  cohort::byte_sink sink;
  allocations used;
  for (int i = 0; i != 2; ++i) {
    sink.clear();
    used = allocations_of([&] {
      Codec::encode(message, sink);
      cohort::decode_error error;
      const auto decoded = Codec::template decode<note>(sink.copied(), error);
      REQUIRE(decoded);
      REQUIRE(decoded->text == message.text);
    });
  }
  return used;
}

// What one run of a context needs to begin with.
constexpr std::size_t few = 20;

} // namespace

TEST_CASE("sending and receiving small messages allocates nothing in steady state")
{
  for (const std::uint32_t size : {500u, 1u})
    CHECK(allocations_of_bursts<test_channel>(size, make_note(1, "short")).count < few);
}

TEST_CASE("JSON messages allocate in steady state what their codec does, and nothing else")
{
  using list = cohort::messages<note, verdict>;
  using json_channel = cohort::message_channel<list, list, cohort::json_codec>;
  const note small = make_note(4'000'000'000, "short"), large = make_note(1, std::string(100, 'x'));
  CHECK(allocations_of_codec<cohort::json_codec>(small).count == 0);
  // The text where it arrives.
  CHECK(allocations_of_codec<cohort::json_codec>(large).count == 1);
  for (const std::uint32_t size : {500u, 1u}) {
    CHECK(allocations_of_bursts<json_channel>(size, small).count < few);
    const std::size_t count = allocations_of_bursts<json_channel>(size, large).count;
    CHECK(count >= 20 * size);
    CHECK(count < 21 * size + few);
  }
}

} // namespace message_channel_test
