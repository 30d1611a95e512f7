// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The pid file and the status file, with every call failing once.

#include "support/failing_system_calls.hpp"
#include "support/scratch.hpp"

#include <cohort/detail/posix/pid_file.hpp>
#include <cohort/detail/posix/replace_file.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

namespace own_files_faults {

using cohort_test::call;
using cohort_test::faults;
using namespace cohort::detail::posix;
namespace fs = std::filesystem;

namespace {

struct fixture {
  cohort_test::scratch_directory folder;
  std::string path = folder.file("file");

  std::string content() const
  {
    std::string line;
    std::getline(std::ifstream(path), line);
    return line;
  }
  std::size_t entries() const
  {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
  }
};

} // namespace

TEST_CASE("whichever call of replacing a file fails, the old one is as it was, and alone")
{
  for (const bool deep : {false, true}) {
    int failed = 0;
    for (unsigned n = 1;; ++n) {
      fixture test;
      if (deep) test.path = test.folder.file("a/b/file");
      else std::ofstream(test.path) << "old";
      faults faults;
      faults.fail(call::any, n, EIO);
      std::error_code error;
      replace_file(test.path, "new", error);
      const bool reached = faults.count(call::any) >= n;
      faults.reset();
      if (error) {
        ++failed;
        CHECK(error == std::errc::io_error);
        CHECK(test.content() == (deep ? "" : "old"));
        if (!deep) CHECK(test.entries() == 1);
        else if (fs::exists(test.folder.file("a/b"))) CHECK(fs::is_empty(test.folder.file("a/b")));
      } else {
        CHECK(test.content() == "new");
      }
      if (!reached) break;
    }
    // open, fchmod, write, rename; and each directory, and the second open.
    CHECK(failed == (deep ? 9 : 4));
  }
}

TEST_CASE("a disk that is full in the middle of a file is an error")
{
  fixture test;
  std::ofstream(test.path) << "old";
  faults faults;
  faults.fail(call::write, 1, ENOSPC);
  std::error_code error;
  replace_file(test.path, "new", error);
  CHECK(error == std::errc::no_space_on_device);
  CHECK(test.content() == "old");
  CHECK(test.entries() == 1);
}

TEST_CASE("interrupted calls are repeated")
{
  fixture test;
  std::ofstream(test.path) << "";
  for (const call kind : {call::open, call::write, call::flock, call::read}) {
    faults faults;
    faults.fail(kind, 1, EINTR, 2);
    std::error_code error;
    pid_file mine = pid_file::create(test.path, error);
    CHECK_FALSE(error);
    mine.remove();
    CHECK_FALSE(fs::exists(test.path));
    std::ofstream(test.path) << "";
  }
}

TEST_CASE("whichever call of making a pid file fails, there is none, or what was there")
{
  // None before, a stale one, and one that is not.
  for (const std::string before : {"none", "", "2000000000", "text"}) {
    int failed = 0;
    for (const int code : {EIO, EMFILE, EACCES}) {
      for (unsigned n = 1;; ++n) {
        fixture test;
        if (before != "none") std::ofstream(test.path) << before;
        faults faults;
        faults.fail(call::any, n, code);
        std::error_code error;
        pid_file mine = pid_file::create(test.path, error);
        const bool reached = faults.count(call::any) >= n;
        faults.reset();
        CHECK(static_cast<bool>(mine) == !error);
        if (error) {
          ++failed;
          CHECK(fs::exists(test.path) == (before != "none"));
          CHECK(test.content() == (before == "none" ? "" : before));
          // But for one that could not be removed.
          CHECK(test.entries() <= (before != "none" ? 1U : 0U) + (before == "text" ? 1U : 0U));
        } else {
          CHECK(test.content() == std::to_string(::getpid()));
        }
        mine.remove();
        if (!error) CHECK_FALSE(fs::exists(test.path));
        if (!reached) break;
      }
    }
    // open, fchmod, write, flock and link; or, after that, what it takes to look at the other one.
    CHECK(failed >= 3 * (before == "none" ? 5 : 10));
  }
}

TEST_CASE("a pid file that cannot be looked at is not removed")
{
  fixture test;
  for (const call kind : {call::open, call::read, call::unlink}) {
    std::error_code error;
    faults faults;
    pid_file mine = pid_file::create(test.path, error);
    REQUIRE(mine);
    faults.fail_all(kind, EIO);
    mine.remove();
    faults.reset();
    CHECK_FALSE(mine);
    CHECK(test.content() == std::to_string(::getpid()));
  }
  // Nobody has it now.
  std::error_code error;
  CHECK(pid_file::create(test.path, error));
}

TEST_CASE("a machine that does not say when a process began lets its number count")
{
  fixture test;
  std::ofstream(test.path) << "1\n";
  fs::last_write_time(test.path, fs::file_time_type::clock::now() - std::chrono::hours(24 * 9999));
  std::error_code error;
  CHECK(pid_file::create(test.path, error));
  std::ofstream(test.path) << "1\n";
  fs::last_write_time(test.path, fs::file_time_type::clock::now() - std::chrono::hours(24 * 9999));
  for (const call kind : {call::open, call::read}) {
    faults faults;
    // The new file and the old one come first, or the old one's content.
    faults.fail(kind, kind == call::open ? 3 : 2, EACCES);
    CHECK_FALSE(pid_file::create(test.path, error));
    CHECK(error == std::errc::file_exists);
  }
}

} // namespace own_files_faults
