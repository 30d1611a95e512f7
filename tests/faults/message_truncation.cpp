// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Receives that lose descriptors, as the kernel does it to who has no room for them.

#include <cohort/message_channel.hpp>

#include "support/message_pair.hpp"
#include "support/scratch.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

namespace message_truncation_faults {

using namespace cohort_test;

namespace {

// The n-th receive of messages from now on finds room for so many descriptors only.
struct truncation {
  unsigned calls = 0;
  unsigned nth = 0;
  std::size_t room = 0;
  // How often that was too little.
  int truncated = 0;
} narrow;

} // namespace

// Instead of the C library's: only the kernel itself can truncate as it does.
extern "C" ssize_t recvmsg(int socket, msghdr* message, int flags)
{
  const bool hit = message->msg_controllen != 0 && ++narrow.calls == narrow.nth;
  if (hit) message->msg_controllen = narrow.room == 0 ? 0 : CMSG_LEN(narrow.room * sizeof(int));
  const ssize_t result = ::syscall(SYS_recvmsg, socket, message, flags);
  if (hit && result >= 0 && (message->msg_flags & MSG_CTRUNC) != 0) ++narrow.truncated;
  return result;
}

namespace {

constexpr std::uint32_t count = 12;
constexpr std::array<std::size_t, 4> handles_of{0, 1, 3, 64};

// Messages with and without handles from one side to the other; gives how many receives it took.
unsigned send_many(unsigned nth, std::size_t room)
{
  const auto pipe = make_pipe();
  const ino_t file = file_identity(pipe[0].native_handle());
  message_pair pair;
  std::vector<cohort::channel_problem> problems;
  pair.right->on_problem([&](const cohort::channel_problem& p) { problems.push_back(p); });
  for (std::uint32_t i = 0; i != count; ++i) {
    std::vector<cohort::handle> attached;
    for (std::size_t n = 0; n != handles_of[i % 4]; ++n) attached.push_back(pipe[0].duplicate());
    CHECK(is_sent(pair.left->send(make_note(i), std::move(attached))));
  }
  run_ready(pair.context);
  const std::size_t before = count_descriptors();
  narrow = truncation{0, nth, room, 0};
  int reported = 0;
  for (std::uint32_t i = 0; i != count; ++i) {
    CAPTURE(i);
    const auto got = pair.next(*pair.right);
    REQUIRE(got.good());
    CHECK(std::get<note>(got.value.message).number == i);
    const std::size_t sent = handles_of[i % 4];
    const std::size_t arrived = got.value.handles.size();
    if (got.value.handles_lost) {
      ++reported;
      CHECK(arrived < sent);
      // What did arrive is handed over.
      CHECK(arrived == room);
    } else {
      CHECK(arrived == sent);
    }
    for (const auto& each : got.value.handles) CHECK(file_identity(each.native_handle()) == file);
  }
  const unsigned calls = narrow.calls;
  const int truncated = narrow.truncated;
  narrow = truncation();
  CHECK(reported == truncated);
  CHECK(problems.empty());
  CHECK(count_descriptors() == before);
  // The channel goes on.
  pair.left->send(make_note(count), pipe[1].duplicate());
  const auto last = pair.next(*pair.right);
  CHECK(last.good());
  CHECK(last.value.handles.size() == 1);
  CHECK_FALSE(last.value.handles_lost);
  CHECK(truncated <= 1);
  return nth == 0 ? calls : static_cast<unsigned>(truncated);
}

} // namespace

TEST_CASE("whichever receive loses descriptors, its message alone tells so, and nothing leaks")
{
  const unsigned calls = send_many(0, 0);
  // Descriptors of different messages never come together.
  REQUIRE(calls >= count / 4 * 3);
  // So many messages have more handles than that.
  for (const auto& [room, expected] :
      std::map<std::size_t, unsigned>{{0, 9}, {1, 6}, {2, 6}, {63, 3}}) {
    unsigned truncated = 0;
    for (unsigned n = 1; n <= calls; ++n) {
      CAPTURE(room);
      CAPTURE(n);
      truncated += send_many(n, room);
    }
    CHECK(truncated == expected);
  }
}

TEST_CASE("handles that are lost with a message nobody understands leave nothing")
{
  const auto pipe = make_pipe();
  for (const std::size_t room : {0u, 2u}) {
    half_pair half;
    const std::vector<std::byte> frame =
        frame_of(numbered<question>(1), cohort::detail::wire::message_kind::reply, 99, 3);
    namespace posix = cohort::detail::posix;
    const iovec data{const_cast<std::byte*>(frame.data()), frame.size()};
    const std::array<int, 3> fds{
        pipe[0].native_handle(), pipe[0].native_handle(), pipe[1].native_handle()};
    std::error_code error;
    REQUIRE(posix::send_with_fds(half.peer.native_handle(), std::span(&data, 1), fds, error) ==
            frame.size());
    const std::vector<std::byte> known = frame_of(make_note(7));
    const iovec more{const_cast<std::byte*>(known.data()), known.size()};
    posix::send_with_fds(half.peer.native_handle(), std::span(&more, 1), {}, error);
    const std::size_t before = count_descriptors();
    narrow = truncation{0, 1, room, 0};
    const auto got = half.next();
    CHECK(narrow.truncated == 1);
    narrow = truncation();
    CHECK(got.good());
    CHECK_FALSE(got.value.handles_lost);
    CHECK(count_descriptors() == before);
  }
}

} // namespace message_truncation_faults
