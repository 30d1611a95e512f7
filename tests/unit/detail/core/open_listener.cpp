// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/open_listener.hpp>

#include "support/deep_directory.hpp"
#include "support/upgrade_channel.hpp"

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace open_listener_test {

using namespace cohort::detail;
using asio::ip::tcp;

namespace {

template <class Place>
listen_key key_of(const Place& place)
{
  std::error_code error;
  const auto key = listen_key::of(place, error);
  REQUIRE_FALSE(error);
  return key;
}

opened_listener open(const listen_key& key, posix::unique_fd inherited = posix::unique_fd())
{
  std::error_code error;
  auto opened = open_listener(key, std::move(inherited), posix::listen_settings(), error);
  REQUIRE_MESSAGE(!error, error.message());
  CHECK(posix::kind_of(opened.socket.get(), error).listening);
  return opened;
}

} // namespace

TEST_CASE("what is opened knows its port")
{
  const auto opened = open(key_of(tcp::endpoint(asio::ip::address_v4::loopback(), 0)));
  CHECK(opened.place.address.port() != 0);
  CHECK(opened.whose == io::listener::owner::self);
}

TEST_CASE("an inherited socket stays its owner's")
{
  auto first = open(key_of(tcp::endpoint(asio::ip::address_v4::loopback(), 0)));
  const auto port = first.place.address.port();
  const auto key = listen_key::of(cohort::inherited_fd(3), wire::listen_kind::inherited_stream);
  const auto opened = open(key, std::move(first.socket));
  CHECK(opened.place.address.port() == port);
  CHECK(opened.whose == io::listener::owner::elsewhere);
}

TEST_CASE("a path is bound whether an address holds it or not")
{
  const cohort_test::scratch_directory scratch;
  const cohort_test::deep_directory deep;
  const auto near = open(key_of(cohort::unix_path(scratch.file("x.sock"))));
  CHECK(near.place.address.path() == scratch.file("x.sock"));
  CHECK_FALSE(near.place.directory);
  const auto far = open(key_of(cohort::unix_path(deep.file("x.sock"))));
  CHECK(far.place.directory);
  CHECK(std::filesystem::is_socket(deep.file("x.sock")));
  std::error_code error;
  const auto again = open_listener(
      key_of(cohort::unix_path(deep.file("x.sock"))), {}, posix::listen_settings(), error);
  CHECK(error == std::errc::address_in_use);
  CHECK_FALSE(again.socket);
  CHECK_FALSE(again.place.directory);
}

TEST_CASE("what another process listened on goes on as what it was")
{
  const auto key = cohort_test::loopback_key();
  passed_listener passed = cohort_test::listener_at(key, 3);
  const auto port = passed.bound.port();
  const ino_t first = cohort_test::inode_of(passed.sockets.front().get());
  const ino_t last = cohort_test::inode_of(passed.sockets.back().get());
  std::error_code error;
  const auto opened = open_listener(std::move(passed), error);
  CHECK_FALSE(error);
  // It is the other program's as long as that may go on.
  CHECK(opened.whose == io::listener::owner::elsewhere);
  CHECK(opened.place.address.port() == port);
  CHECK(cohort_test::inode_of(opened.socket.get()) == first);
  REQUIRE(opened.others.size() == 2);
  CHECK(cohort_test::inode_of(opened.others.back().get()) == last);
}

TEST_CASE("what was made elsewhere stays so, by its number and by its name")
{
  for (const listen_key& key :
      {listen_key::of(cohort::inherited_fd(7), wire::listen_kind::inherited_stream),
          listen_key::of(cohort::inherited_socket("http"))}) {
    std::error_code error;
    const auto opened = open_listener(cohort_test::listener_at(key), error);
    CHECK_FALSE(error);
    CHECK(opened.whose == io::listener::owner::elsewhere);
    CHECK(opened.place.address.port() != 0);
  }
}

TEST_CASE("a path that is too long for an address is reached anew, and has to be there")
{
  const std::size_t before = cohort_test::count_descriptors();
  {
    const cohort_test::deep_directory deep;
    const auto key = key_of(cohort::unix_path(deep.file("x.sock")));
    auto bound = open(key);
    passed_listener passed;
    passed.asked = key;
    passed.sockets.push_back(std::move(bound.socket));
    std::error_code error;
    const auto opened = open_listener(std::move(passed), error);
    CHECK_FALSE(error);
    CHECK(opened.place.directory);
    CHECK(opened.whose == io::listener::owner::elsewhere);
    const auto gone = key_of(cohort::unix_path(deep.file("no/such/x.sock")));
    const auto none = open_listener(cohort_test::listener_at(gone), error);
    CHECK(error == std::errc::no_such_file_or_directory);
    CHECK_FALSE(none.socket);
  }
  CHECK(cohort_test::count_descriptors() == before);
}

TEST_CASE("a path is this process's when it was left to it and leads where it led")
{
  const cohort_test::scratch_directory folder;
  const cohort_test::deep_directory deep;
  for (const std::string& path : {folder.file("x.sock"), deep.file("x.sock")}) {
    const auto key = key_of(cohort::unix_path(path));
    const auto bound = open(key);
    std::error_code error;
    const auto owner_when = [&](const posix::socket_file& file) {
      passed_listener passed;
      passed.asked = key;
      passed.bound = bound.place.address;
      passed.file = file;
      passed.sockets.push_back(posix::duplicate(bound.socket.get(), error));
      return open_listener(std::move(passed), error).whose;
    };
    const posix::socket_file file = posix::file_of(bound.place.address);
    CHECK(owner_when({}) == io::listener::owner::elsewhere);
    CHECK(owner_when(file) == io::listener::owner::self);
    CHECK(owner_when({file.device, file.inode + 1}) == io::listener::owner::elsewhere);
    CHECK_FALSE(error);
  }
}

} // namespace open_listener_test
