// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/handle/service_sockets.hpp>

#include <cohort/detail/posix/listening.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <array>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <span>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace service_sockets_test {

using namespace cohort::detail;
using names = std::vector<std::string>;
using cohort_test::count_descriptors;

namespace {

// Far from what is opened otherwise.
constexpr int first = 500;

posix::socket_address loopback()
{
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::error_code ignored;
  return posix::socket_address::from_bytes(std::as_bytes(std::span(&any, 1)), ignored);
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }
bool is_cloexec(int fd) { return ::fcntl(fd, F_GETFD) == FD_CLOEXEC; }

// As a service manager does it: blocking, and without CLOEXEC.
void put(int number, int domain, int type, const posix::socket_address& where, bool listens)
{
  const posix::unique_fd made(::socket(domain, type, 0));
  if (!where.empty()) REQUIRE(::bind(made.get(), where.data(), where.size()) == 0);
  if (listens) REQUIRE(::listen(made.get(), 8) == 0);
  REQUIRE(::dup2(made.get(), number) == number);
}

activation_variables variables(const std::string& fds, const std::string& called)
{
  activation_variables said;
  said.pid = std::to_string(::getpid());
  said.fds = fds;
  said.names = called;
  return said;
}

struct fixture {
  fixture()
  {
    put(first, AF_INET, SOCK_STREAM, loopback(), true);
    std::error_code error;
    put(first + 1, AF_UNIX, SOCK_STREAM,
        posix::socket_address::from_path(folder.file("socket"), error), true);
    put(first + 2, AF_INET, SOCK_STREAM, loopback(), true);
    put(first + 3, AF_INET, SOCK_DGRAM, loopback(), false);
  }
  ~fixture()
  {
    for (int each = first; each != first + 4; ++each) ::close(each);
  }

  cohort_test::scratch_directory folder;
};

posix::socket_address address_of(const posix::unique_fd& socket)
{
  std::error_code error;
  return posix::local_address(socket.get(), error);
}

} // namespace

TEST_CASE("the sockets are owned, are for no child, and are found by name and index")
{
  fixture test;
  const std::size_t before = count_descriptors();
  {
    service_sockets sockets(variables("4", "web:control:web:log"), ::getpid(), first);
    CHECK(count_descriptors() == before);
    for (int each = first; each != first + 4; ++each) CHECK(is_cloexec(each));
    std::error_code error;
    CHECK(sockets.unclaimed(error) == names{"web", "control", "web", "log"});
    const auto web = sockets.share("web", 0, error);
    CHECK_FALSE(error);
    const auto other = sockets.share("web", 1, error);
    CHECK_FALSE(error);
    CHECK(address_of(web) != address_of(other));
    CHECK((::fcntl(web.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK(is_cloexec(web.get()));
    CHECK(address_of(sockets.share("control", 0, error)).path() == test.folder.file("socket"));
    CHECK_FALSE(error);
    CHECK(sockets.unclaimed(error) == names{"log"});
    // Again, as after a listener was closed.
    CHECK(sockets.share("web", 0, error));
    CHECK_FALSE(sockets.share("web", 2, error));
    CHECK(error == cohort::error::not_inherited);
    CHECK_FALSE(sockets.share("we", 0, error));
    CHECK(error == cohort::error::not_inherited);
    // It does not listen, and cannot be claimed so.
    CHECK_FALSE(sockets.share("log", 0, error));
    CHECK(error == cohort::error::wrong_handle);
    CHECK(sockets.unclaimed(error) == names{"log"});
  }
  CHECK(count_descriptors() == before - 4);
  // The path is its maker's.
  CHECK(std::filesystem::exists(test.folder.file("socket")));
}

TEST_CASE("who is not claimed is closed or taken, and an index is the same afterwards")
{
  fixture test;
  std::error_code error;
  {
    service_sockets sockets(variables("4", "web:control:web:log"), ::getpid(), first);
    CHECK(sockets.share("web", 1, error));
    SUBCASE("closed")
    {
      sockets.close_unclaimed({first + 3, 999});
      CHECK_FALSE(is_open(first));
      CHECK_FALSE(is_open(first + 1));
      CHECK(is_open(first + 2));
    }
    SUBCASE("taken")
    {
      auto taken = sockets.take_unclaimed(error);
      CHECK_FALSE(error);
      REQUIRE(taken.size() == 3);
      CHECK(taken[0].name == "web");
      CHECK(taken[1].name == "control");
      CHECK(taken[1].socket.get() == first + 1);
      taken[2].socket.release();
    }
    CHECK(sockets.unclaimed(error).empty());
    CHECK(sockets.share("web", 1, error));
    CHECK_FALSE(sockets.share("web", 0, error));
    CHECK(error == cohort::error::not_inherited);
  }
  // The number was named, and is the program's.
  CHECK(is_open(first + 3));
  CHECK_FALSE(is_open(first + 2));
}

TEST_CASE("nonsense is the error of whatever is asked for, and owns nothing that is not given")
{
  fixture test;
  std::error_code error;
  {
    // One more than there are.
    service_sockets sockets(variables("5", "a:b:c:d:e"), ::getpid(), first);
    CHECK_FALSE(sockets.share("a", 0, error));
    CHECK(error == std::errc::bad_file_descriptor);
    CHECK(sockets.unclaimed(error).empty());
    CHECK(error == std::errc::bad_file_descriptor);
    CHECK(sockets.take_unclaimed(error).empty());
    CHECK(error == std::errc::bad_file_descriptor);
    sockets.close_unclaimed();
  }
  {
    service_sockets sockets(variables("four", "a"), ::getpid(), first);
    CHECK_FALSE(sockets.share("a", 0, error));
    CHECK(error == std::errc::invalid_argument);
  }
  for (int each = first; each != first + 4; ++each) {
    CHECK(is_open(each));
    CHECK_FALSE(is_cloexec(each));
  }
  // Here they are given, and only their names are nonsense.
  service_sockets sockets(variables("4", "a"), ::getpid(), first);
  CHECK_FALSE(sockets.share("a", 0, error));
  CHECK(error == std::errc::invalid_argument);
  CHECK(is_cloexec(first));
  sockets.close_unclaimed();
  for (int each = first; each != first + 4; ++each) CHECK_FALSE(is_open(each));
}

TEST_CASE("what is for another process stays as it is")
{
  fixture test;
  const service_sockets sockets(variables("4", "web:control:web:log"), ::getpid() + 1, first);
  std::error_code error;
  CHECK(sockets.unclaimed(error).empty());
  CHECK_FALSE(error);
  CHECK_FALSE(is_cloexec(first));
}

TEST_CASE("what was got in another way has a name as well")
{
  service_sockets sockets;
  std::error_code error;
  auto made = posix::listen_stream(loopback(), posix::listen_settings(), error);
  const auto where = address_of(made);
  sockets.add("web", std::move(made));
  CHECK(address_of(sockets.share("web", 0, error)) == where);
}

} // namespace service_sockets_test
