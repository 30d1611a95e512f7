// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/bound_place.hpp>

#include <cohort/detail/posix/listening.hpp>

#include "support/deep_directory.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace bound_place_test {

using namespace cohort::detail::posix;
namespace fs = std::filesystem;

namespace {

std::error_code error_of(const std::string& path)
{
  std::error_code error;
  const bound_place place = reach_path(path, error);
  CHECK(place.address.empty());
  CHECK_FALSE(place.directory);
  return error;
}

} // namespace

TEST_CASE("a short address is everybody's")
{
  std::error_code error;
  const auto address = socket_address::from_path("/run/x.sock", error);
  const bound_place place = address;
  CHECK(place.address == address);
  CHECK(place.shown() == address);
  CHECK_FALSE(place.directory);
  CHECK(bound_place().shown().empty());
}

TEST_CASE("a long path is reached by its directory, for this process alone")
{
  const cohort_test::deep_directory deep;
  const auto before = cohort_test::count_descriptors();
  {
    std::error_code error;
    const bound_place place = reach_path(deep.file("x.sock"), error);
    REQUIRE_MESSAGE(!error, error.message());
    CHECK(::fcntl(place.directory.get(), F_GETFD) == FD_CLOEXEC);
    CHECK(place.shown().family() == AF_UNIX);
    CHECK(place.shown().path().empty());
    const auto listener = listen_stream(place.address, listen_settings(), error);
    REQUIRE_MESSAGE(!error, error.message());
    CHECK(fs::is_socket(deep.file("x.sock")));
    // It is the directory that counts, whatever its name is by now.
    fs::rename(deep.path(), deep.path() + "-moved");
    unlink_path(place.address, file_of(place.address));
    CHECK_FALSE(fs::exists(deep.path() + "-moved/x.sock"));
  }
  CHECK(cohort_test::count_descriptors() == before);
}

TEST_CASE("the name in the directory has a limit of its own")
{
  const cohort_test::deep_directory deep;
  std::error_code error;
  const std::string longest(longest_socket_name, 'n');
  const bound_place place = reach_path(deep.file(longest), error);
  REQUIRE_FALSE(error);
  CHECK(place.address.path().ends_with('/' + longest));
  CHECK(error_of(deep.file(longest + 'n')) == std::errc::filename_too_long);
}

TEST_CASE("a directory that cannot be reached is an error")
{
  const cohort_test::deep_directory deep;
  const auto before = cohort_test::count_descriptors();
  std::ofstream(deep.file("plain")) << "text";
  CHECK(error_of(deep.file("nowhere/x.sock")) == std::errc::no_such_file_or_directory);
  CHECK(error_of(deep.file("plain/x.sock")) == std::errc::not_a_directory);
  CHECK(error_of('/' + std::string(300, 'x') + "/x.sock") == std::errc::filename_too_long);
  CHECK(cohort_test::count_descriptors() == before);
}

} // namespace bound_place_test
