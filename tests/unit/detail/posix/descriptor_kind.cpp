// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/descriptor_kind.hpp>

#include <cohort/detail/posix/unique_fd.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"
#include "support/skip.hpp"

#include <cstdlib>
#include <filesystem>
#include <linux/netlink.h>
#include <ostream>
#include <string>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/un.h>

namespace descriptor_kind_test {

using namespace cohort::detail::posix;
using cohort::handle_kind;

namespace {

descriptor_facts facts(const unique_fd& fd)
{
  REQUIRE(fd);
  std::error_code ec;
  const auto result = facts_of(fd.get(), ec);
  CHECK_MESSAGE(!ec, ec.message());
  return result;
}

handle_kind kind_of_fd(const unique_fd& fd) { return facts(fd).kind; }

unique_fd make_socket(int domain, int type, int protocol = 0)
{
  return unique_fd(::socket(domain, type | SOCK_CLOEXEC, protocol));
}

// Bound to an address of the kernel's choice, and listening.
unique_fd make_listener(int domain, int type = SOCK_STREAM, int protocol = 0)
{
  auto fd = make_socket(domain, type, protocol);
  const sa_family_t family = AF_UNIX;
  if (domain == AF_UNIX)
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&family), sizeof family) == 0);
  REQUIRE(::listen(fd.get(), 1) == 0);
  return fd;
}

unique_fd open_file(const char* path, int flags, mode_t mode = 0600)
{
  return unique_fd(::open(path, flags | O_CLOEXEC, mode));
}

} // namespace

TEST_CASE("Internet sockets are told by protocol, version and whether they listen")
{
  for (const int domain : {AF_INET, AF_INET6}) {
    const auto tcp = make_socket(domain, SOCK_STREAM);
    if (!tcp && errno == EAFNOSUPPORT) return cohort_test::skip("no IPv6");
    CHECK(kind_of_fd(tcp) == handle_kind::tcp_socket);
    CHECK(facts(tcp).ipv6 == (domain == AF_INET6));
    CHECK(facts(tcp).readable);
    CHECK(facts(tcp).writable);
    const auto listener = make_listener(domain);
    CHECK(kind_of_fd(listener) == handle_kind::tcp_listener);
    CHECK(facts(listener).ipv6 == (domain == AF_INET6));
    const auto udp = make_socket(domain, SOCK_DGRAM);
    CHECK(kind_of_fd(udp) == handle_kind::udp_socket);
    CHECK(facts(udp).ipv6 == (domain == AF_INET6));
  }
}

TEST_CASE("MPTCP is TCP")
{
  if (!make_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)) return cohort_test::skip("no MPTCP");
  CHECK(kind_of_fd(make_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)) == handle_kind::tcp_socket);
  CHECK(
      kind_of_fd(make_listener(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)) == handle_kind::tcp_listener);
}

TEST_CASE("Unix sockets are told by type and whether they listen")
{
  CHECK(kind_of_fd(make_socket(AF_UNIX, SOCK_STREAM)) == handle_kind::unix_stream);
  CHECK(kind_of_fd(make_listener(AF_UNIX)) == handle_kind::unix_listener);
  CHECK(kind_of_fd(make_socket(AF_UNIX, SOCK_DGRAM)) == handle_kind::unix_datagram);
  CHECK(kind_of_fd(make_socket(AF_UNIX, SOCK_SEQPACKET)) == handle_kind::unix_seqpacket);
  CHECK(kind_of_fd(make_listener(AF_UNIX, SOCK_SEQPACKET)) == handle_kind::unsupported);
  CHECK(!facts(make_socket(AF_UNIX, SOCK_STREAM)).ipv6);
}

TEST_CASE("the ends of a pipe differ by what they are open for")
{
  int ends[2] = {-1, -1};
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const unique_fd reading(ends[0]), writing(ends[1]);
  CHECK(kind_of_fd(reading) == handle_kind::pipe);
  CHECK(facts(reading).readable);
  CHECK(!facts(reading).writable);
  CHECK(kind_of_fd(writing) == handle_kind::pipe);
  CHECK(!facts(writing).readable);
  CHECK(facts(writing).writable);
}

TEST_CASE("files, directories and devices")
{
  const cohort_test::scratch_directory scratch;
  const std::string name = scratch.file("some");
  const unique_fd file(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  CHECK(kind_of_fd(file) == handle_kind::file);
  CHECK(kind_of_fd(open_file("/proc/self/stat", O_RDONLY)) == handle_kind::file);
  CHECK(kind_of_fd(open_file("/", O_RDONLY | O_DIRECTORY)) == handle_kind::directory);
  CHECK(kind_of_fd(open_file("/", O_PATH)) == handle_kind::directory);
  CHECK(kind_of_fd(open_file("/dev/null", O_RDWR)) == handle_kind::device);
  CHECK(kind_of_fd(open_file(name.c_str(), O_PATH)) == handle_kind::unsupported);
  CHECK(kind_of_fd(open_file("/dev/null", O_PATH)) == handle_kind::unsupported);
  std::filesystem::remove(name);
  const auto unnamed = facts(file).kind;
  // On a tmpfs it is nameless memory now.
  CHECK((unnamed == handle_kind::file || unnamed == handle_kind::memfd));
}

TEST_CASE("a file of a tmpfs is no memfd")
{
  char name[] = "/dev/shm/cohort-kind-XXXXXX";
  const unique_fd file(::mkostemp(name, O_CLOEXEC));
  if (!file) return cohort_test::skip("no /dev/shm");
  CHECK(kind_of_fd(file) == handle_kind::file);
  std::filesystem::remove(name);
}

TEST_CASE("a memfd is told by its seals, whether it allows more of them or not")
{
  CHECK(kind_of_fd(unique_fd(::memfd_create("test", MFD_CLOEXEC))) == handle_kind::memfd);
  const unique_fd sealable(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  CHECK(kind_of_fd(sealable) == handle_kind::memfd);
  REQUIRE(::fcntl(sealable.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) == 0);
  CHECK(kind_of_fd(sealable) == handle_kind::memfd);
  const unique_fd huge(::memfd_create("test", MFD_CLOEXEC | MFD_HUGETLB));
  if (huge) CHECK(kind_of_fd(huge) == handle_kind::memfd);
}

TEST_CASE("what is bound to its process or to the kernel is unsupported")
{
  sigset_t signals;
  sigemptyset(&signals);
  const auto unsupported = [](int fd) {
    const unique_fd owner(fd);
    CHECK(kind_of_fd(owner) == handle_kind::unsupported);
  };
  unsupported(::epoll_create1(EPOLL_CLOEXEC));
  unsupported(::eventfd(0, EFD_CLOEXEC));
  unsupported(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  unsupported(::signalfd(-1, &signals, SFD_CLOEXEC));
  unsupported(::inotify_init1(IN_CLOEXEC));
  unsupported(sys::pidfd_open(::getpid()));
  unsupported(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  unsupported(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  // These need rights or a configured kernel.
  for (const unique_fd& maybe : {unique_fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1)),
           unique_fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP)),
           unique_fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE)),
           unique_fd(static_cast<int>(::syscall(447 /* memfd_secret */, FD_CLOEXEC)))})
    if (maybe) CHECK(kind_of_fd(maybe) == handle_kind::unsupported);
  alignas(8) char parameters[512] = {};
  const unique_fd ring(static_cast<int>(::syscall(425 /* io_uring_setup */, 1, parameters)));
  if (ring) CHECK(kind_of_fd(ring) == handle_kind::unsupported);
}

TEST_CASE("what is not open is an error, and is nothing")
{
  std::error_code ec;
  CHECK(facts_of(-1, ec).kind == handle_kind::none);
  CHECK(ec == std::errc::bad_file_descriptor);
  const int closed = open_file("/dev/null", O_RDWR).get();
  CHECK(facts_of(closed, ec).kind == handle_kind::none);
  CHECK(ec == std::errc::bad_file_descriptor);
  const unique_fd null = open_file("/dev/null", O_WRONLY);
  CHECK(facts_of(null.get(), ec).kind == handle_kind::device);
  CHECK(!ec);
}

} // namespace descriptor_kind_test
