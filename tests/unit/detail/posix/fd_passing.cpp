// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/fd_passing.hpp>

#include <cohort/detail/posix/socket.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <vector>

namespace fd_passing_test {

using namespace cohort::detail::posix;

namespace {

struct channel {
  channel()
  {
    auto pair = stream_pair(ec);
    REQUIRE(!ec);
    a = std::move(pair.first);
    b = std::move(pair.second);
  }

  std::size_t send(std::string_view text, std::span<const int> passed = {})
  {
    iovec data{const_cast<char*>(text.data()), text.size()};
    return send_with_fds(a.get(), {&data, 1}, passed, ec);
  }

  // The text that one receive gives; the descriptors are added to `fds`.
  std::string receive(std::size_t size = 4096)
  {
    std::string text(size, '\0');
    last = receive_with_fds(b.get(), std::as_writable_bytes(std::span(text)), fds, ec);
    text.resize(last.bytes);
    return text;
  }

  unique_fd a, b;
  fd_sink fds;
  received last;
  std::error_code ec;
};

unique_fd open_null() { return unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

bool same_file(int a, int b)
{
  struct stat x, y;
  return ::fstat(a, &x) == 0 && ::fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

// Leaves room for `room` more descriptors in this process.
struct descriptor_limit {
  explicit descriptor_limit(rlim_t room)
  {
    ::getrlimit(RLIMIT_NOFILE, &old);
    // Whatever is free below the highest descriptor in use is filled first.
    for (;;) {
      unique_fd fd = open_null();
      const bool top = fd.get() > highest();
      fill.push_back(std::move(fd));
      if (top) break;
    }
    limit.rlim_cur = static_cast<rlim_t>(fill.back().get()) + 1 + room;
    limit.rlim_max = old.rlim_max;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &old); }

  static int highest()
  {
    int result = 0;
    for (int fd = 0; fd != 1024; ++fd)
      if (::fcntl(fd, F_GETFD) != -1) result = fd;
    return result - 1;
  }

  rlimit old, limit;
  std::vector<unique_fd> fill;
};

} // namespace

TEST_CASE("bytes and descriptors arrive together, in order, CLOEXEC")
{
  channel c;
  const unique_fd null = open_null();
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const unique_fd reader(ends[0]), writer(ends[1]);
  const int fds[] = {null.get(), reader.get()};
  CHECK(c.send("hello", fds) == 5);
  CHECK(!c.ec);
  CHECK(c.receive() == "hello");
  CHECK(!c.ec);
  CHECK(!c.last.truncated);
  REQUIRE(c.fds.size() == 2);
  CHECK(same_file(c.fds[0].get(), null.get()));
  CHECK(same_file(c.fds[1].get(), reader.get()));
  CHECK(::fcntl(c.fds[0].get(), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE("several pieces are written at once")
{
  channel c;
  std::string first = "ab", second = "cde";
  const iovec data[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  CHECK(send_with_fds(c.a.get(), data, {}, c.ec) == 5);
  CHECK(c.receive() == "abcde");
  CHECK(c.fds.empty());
}

TEST_CASE("an idle channel would block, an ended one gives zero, a broken one an error")
{
  channel c;
  CHECK(c.receive().empty());
  CHECK(would_block(c.ec));
  CHECK(c.send("last") == 4);
  shutdown_write(c.a.get(), c.ec);
  CHECK(c.receive() == "last");
  CHECK(c.receive().empty());
  CHECK(!c.ec);
  // The other direction still works; then the peer closes it with unread data.
  CHECK(::write(c.b.get(), "x", 1) == 1);
  c.b.reset();
  CHECK(c.send("lost") == 0);
  CHECK(c.ec == std::errc::broken_pipe);
}

TEST_CASE("after a reset what was queued before can still be read")
{
  channel c;
  CHECK(c.send("queued") == 6);
  CHECK(::write(c.b.get(), "x", 1) == 1);
  c.a.reset();
  CHECK(c.receive(3) == "que");
  CHECK(c.receive() == "ued");
  CHECK(c.receive().empty());
  CHECK(c.ec == std::errc::connection_reset);
  CHECK(c.receive().empty());
  CHECK(!c.ec);
}

TEST_CASE("a full channel takes a part, then would block")
{
  channel c;
  const std::string block(1 << 20, 'x');
  const auto first = c.send(block);
  CHECK(first > 0);
  CHECK(first < block.size());
  std::size_t total = first;
  while (const auto written = c.send(block)) total += written;
  CHECK(would_block(c.ec));
  CHECK(!out_of_resources(c.ec));
  while (total != 0) {
    const auto text = c.receive(1 << 16);
    REQUIRE(!text.empty());
    total -= text.size();
  }
}

TEST_CASE("descriptors of a partial write are sent with its first byte")
{
  channel c;
  const unique_fd null = open_null();
  const int fds[] = {null.get()};
  const std::string block(1 << 20, 'x');
  const auto written = c.send(block, fds);
  REQUIRE(written > 0);
  REQUIRE(written < block.size());
  CHECK(c.receive(1).size() == 1);
  CHECK(c.fds.size() == 1);
  std::size_t rest = written - 1;
  while (rest != 0) rest -= c.receive(1 << 16).size();
  CHECK(c.fds.size() == 1);
}

TEST_CASE("a read never runs past the bytes that descriptors came with")
{
  channel c;
  const unique_fd null = open_null();
  const int one[] = {null.get()};
  c.send("A");
  c.send("B", one);
  c.send("C");
  c.send("D", one);
  // Bytes before are glued on, so only counting tells whose a descriptor is.
  CHECK(c.receive() == "AB");
  CHECK(c.fds.size() == 1);
  CHECK(c.receive() == "CD");
  CHECK(c.fds.size() == 2);

  c.fds.clear();
  c.send("xyz", one);
  c.send("uvw", one);
  CHECK(c.receive(1) == "x");
  CHECK(c.fds.size() == 1);
  // The rest of one message and the start of the next.
  CHECK(c.receive(4) == "yzuv");
  CHECK(c.fds.size() == 2);
  CHECK(c.receive() == "w");
  CHECK(c.fds.size() == 2);
}

TEST_CASE("as many descriptors as the kernel passes, not one more")
{
  channel c;
  const unique_fd null = open_null();
  std::vector<int> fds(max_passed_fds, null.get());
  CHECK(c.send("x", fds) == 1);
  CHECK(c.receive() == "x");
  CHECK(!c.last.truncated);
  CHECK(c.fds.size() == max_passed_fds);
  fds.push_back(null.get());
  CHECK(c.send("x", fds) == 0);
  CHECK(c.ec == std::errc::invalid_argument);
}

TEST_CASE("descriptors that cannot be sent are an error")
{
  channel c;
  const int fds[] = {-1};
  CHECK(c.send("x", fds) == 0);
  CHECK(c.ec == std::errc::bad_file_descriptor);
  CHECK(c.receive().empty());
  CHECK(would_block(c.ec));
}

TEST_CASE("at the descriptor limit the bytes arrive, and that descriptors are lost is told")
{
  const unique_fd null = open_null();
  for (const rlim_t room : {0u, 1u, 2u, 3u}) {
    channel c;
    const int fds[] = {null.get(), null.get(), null.get()};
    CHECK(c.send("x", fds) == 1);
    CHECK(c.send("y") == 1);
    {
      const descriptor_limit limit(room);
      CHECK(c.receive(1) == "x");
    }
    CHECK(!c.ec);
    CHECK(c.last.truncated == (room < 3));
    CHECK(c.fds.size() == room);
    CHECK(c.receive() == "y");
    CHECK(!c.last.truncated);
  }
}

TEST_CASE("descriptors in the padding of a control buffer are found")
{
  channel c;
  const unique_fd null = open_null();
  const int fds[] = {null.get(), null.get(), null.get()};
  CHECK(c.send("x", fds) == 1);

  alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof(int))];
  char byte;
  iovec data{&byte, 1};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  REQUIRE(::recvmsg(c.b.get(), &message, MSG_CMSG_CLOEXEC) == 1);
  CHECK((message.msg_flags & MSG_CTRUNC) != 0);
  take_descriptors(message, c.fds);
  CHECK(c.fds.size() == 2);
}

TEST_CASE("control data of any shape is walked within its bounds")
{
  const unique_fd null = open_null();
  const auto sweep = [&](std::size_t claimed, std::size_t present, int level, int type) {
    alignas(cmsghdr) std::byte control[64] = {};
    cmsghdr header{};
    header.cmsg_len = claimed;
    header.cmsg_level = level;
    header.cmsg_type = type;
    std::memcpy(control, &header, sizeof header);
    std::vector<int> made;
    for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= std::min(claimed, present);
         at += sizeof(int)) {
      const int fd = ::fcntl(null.get(), F_DUPFD_CLOEXEC, 3);
      std::memcpy(control + at, &fd, sizeof fd);
      made.push_back(fd);
    }
    msghdr message{};
    message.msg_control = control;
    message.msg_controllen = present;
    fd_sink fds;
    take_descriptors(message, fds);
    std::vector<int> taken;
    for (const auto& fd : fds) taken.push_back(fd.get());
    const bool rights = level == SOL_SOCKET && type == SCM_RIGHTS;
    CHECK(taken == (rights && present >= sizeof header ? made : std::vector<int>()));
    if (!rights || present < sizeof header)
      for (const int fd : made) ::close(fd);
  };
  for (std::size_t present = 0; present <= 64; ++present) {
    for (const std::size_t claimed : {0u, 4u, 16u, 17u, 20u, 24u, 40u, 64u, 4096u}) {
      sweep(claimed, present, SOL_SOCKET, SCM_RIGHTS);
      sweep(claimed, present, SOL_SOCKET, SCM_CREDENTIALS);
      sweep(claimed, present, IPPROTO_TCP, SCM_RIGHTS);
    }
  }
}

TEST_CASE("descriptors of two control messages are both taken")
{
  const unique_fd null = open_null();
  alignas(cmsghdr) std::byte control[2 * CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  for (std::size_t i = 0; i != 2; ++i) {
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(sizeof(int));
    header.cmsg_level = SOL_SOCKET;
    header.cmsg_type = SCM_RIGHTS;
    const int fd = ::fcntl(null.get(), F_DUPFD_CLOEXEC, 3);
    std::memcpy(control + i * CMSG_SPACE(sizeof(int)), &header, sizeof header);
    std::memcpy(control + i * CMSG_SPACE(sizeof(int)) + CMSG_LEN(0), &fd, sizeof fd);
  }
  fd_sink fds;
  take_descriptors(message, fds);
  CHECK(fds.size() == 2);
}

TEST_CASE("unread descriptors are closed with the channel, and the sender keeps its own")
{
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  const unique_fd reader(ends[0]);
  unique_fd writer(ends[1]);
  {
    channel c;
    const int fds[] = {writer.get()};
    CHECK(c.send("x", fds) == 1);
    CHECK(::fcntl(writer.get(), F_GETFD) == FD_CLOEXEC);
    writer.reset();
    char byte;
    CHECK(::read(reader.get(), &byte, 1) == -1);
  }
  char byte;
  CHECK(::read(reader.get(), &byte, 1) == 0);
}

TEST_CASE("receiving allocates nothing once its sink has grown")
{
  channel c;
  c.send("x");
  c.receive();
  const auto* before = c.fds.data();
  const unique_fd null = open_null();
  const std::vector<int> fds(max_passed_fds, null.get());
  for (int i = 0; i != 10; ++i) {
    c.send("x", fds);
    c.receive();
    CHECK(c.fds.size() == max_passed_fds);
    c.fds.clear();
  }
  CHECK(c.fds.data() == before);
}

} // namespace fd_passing_test
