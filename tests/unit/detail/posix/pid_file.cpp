// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/pid_file.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/wait.h>
#include <vector>

namespace pid_file_test {

using namespace cohort::detail::posix;
namespace fs = std::filesystem;

namespace {

std::string first_line(const std::string& path)
{
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

// Another process, which does nothing.
class other_process {
public:
  other_process() : pid_(::fork())
  {
    REQUIRE(pid_ != -1);
    if (pid_ != 0) return;
    ::alarm(60);
    for (;;) ::pause();
  }
  ~other_process() { end(); }
  other_process(const other_process&) = delete;
  other_process& operator=(const other_process&) = delete;

  pid_t pid() const { return pid_; }
  void end()
  {
    if (ended_) return;
    ended_ = true;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

private:
  pid_t pid_;
  bool ended_ = false;
};

struct fixture {
  cohort_test::scratch_directory folder;
  std::string path = folder.file("server.pid");
  std::error_code error;

  pid_file create() { return pid_file::create(path, error); }
  void write(const std::string& text) { std::ofstream(path) << text; }
  void fails_with(std::errc code)
  {
    CHECK_FALSE(create());
    CHECK(error == code);
    CHECK_FALSE(fs::exists(folder.file("left")));
  }
  void succeeds()
  {
    const pid_file mine = create();
    CHECK_MESSAGE(mine, error.message());
    CHECK(first_line(path) == std::to_string(::getpid()));
  }
  std::size_t entries() const
  {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
  }
};

} // namespace

TEST_CASE("the file has the number of this process as long as the object lives")
{
  fixture test;
  CHECK_FALSE(pid_file());
  const mode_t before = ::umask(0077);
  {
    const pid_file mine = test.create();
    ::umask(before);
    REQUIRE(mine);
    CHECK_FALSE(test.error);
    CHECK(first_line(test.path) == std::to_string(::getpid()));
    CHECK(fs::status(test.path).permissions() == static_cast<fs::perms>(0644));
    CHECK(test.entries() == 1);
  }
  CHECK(test.entries() == 0);
}

TEST_CASE("it moves with its object, and is removed when it is told")
{
  fixture test;
  pid_file first = test.create();
  pid_file second = std::move(first);
  CHECK_FALSE(first);
  CHECK(second);
  first.remove();
  CHECK(fs::exists(test.path));
  second = pid_file();
  CHECK_FALSE(fs::exists(test.path));
  first = test.create();
  CHECK(first);
  first.remove();
  CHECK_FALSE(fs::exists(test.path));
}

TEST_CASE("directories on the way are made")
{
  fixture test;
  test.path = test.folder.file("run/server/pid");
  test.succeeds();
  CHECK(fs::is_directory(test.folder.file("run/server")));
}

TEST_CASE("nobody gets a file that somebody has, whatever number is in it")
{
  fixture test;
  const pid_file mine = test.create();
  test.fails_with(std::errc::file_exists);
  std::ofstream(test.path) << "1\n";
  test.fails_with(std::errc::file_exists);
  CHECK(test.entries() == 1);
}

TEST_CASE("the number of a living process counts though it has locked nothing")
{
  fixture test;
  other_process other;
  test.write(std::to_string(other.pid()) + '\n');
  test.fails_with(std::errc::file_exists);
  CHECK(first_line(test.path) == std::to_string(other.pid()));
  CHECK(test.entries() == 1);
  SUBCASE("until it has ended")
  {
    other.end();
    test.succeeds();
  }
  SUBCASE("unless that is younger than the file, and has the number of a dead one")
  {
    fs::last_write_time(test.path, fs::file_time_type::clock::now() - std::chrono::hours(1));
    test.succeeds();
  }
}

TEST_CASE("what nobody needs is replaced")
{
  fixture test;
  SUBCASE("an empty file") { test.write(""); }
  SUBCASE("one of this process, of another life") { test.write(std::to_string(::getpid())); }
  SUBCASE("one of nobody")
  {
    other_process other;
    other.end();
    test.write(std::to_string(other.pid()) + " \n");
  }
  SUBCASE("one of an owner that was killed")
  {
    const pid_t owner = ::fork();
    if (owner == 0) {
      const pid_file its = test.create();
      ::raise(SIGKILL);
    }
    ::waitpid(owner, nullptr, 0);
    REQUIRE(first_line(test.path) == std::to_string(owner));
    std::ofstream(test.path) << "1\n";
    fs::last_write_time(
        test.path, fs::file_time_type::clock::now() - std::chrono::hours(24 * 9999));
  }
  test.succeeds();
  CHECK(test.entries() == 0);
}

TEST_CASE("what is no pid file is not touched")
{
  fixture test;
  for (const std::string text : {"important\n", "12 monkeys", "-5\n", "0\n", "99999999999999\n",
           "1234567890123456789012345678901234567890\n"}) {
    test.write(text);
    test.fails_with(std::errc::file_exists);
    CHECK(first_line(test.path) + '\n' == (text.ends_with('\n') ? text : text + '\n'));
  }
  fs::remove(test.path);
  SUBCASE("a directory") { fs::create_directory(test.path); }
  SUBCASE("a pipe") { REQUIRE(::mkfifo(test.path.c_str(), 0600) == 0); }
  test.fails_with(std::errc::file_exists);
  CHECK(test.entries() == 1);
}

TEST_CASE("a symbolic link is an error, and is not followed")
{
  fixture test;
  const std::string target = test.folder.file("target");
  fs::create_symlink(target, test.path);
  test.fails_with(std::errc::too_many_symbolic_link_levels);
  CHECK_FALSE(fs::exists(target));
  CHECK(fs::is_symlink(test.path));
}

TEST_CASE("only the own file is removed")
{
  fixture test;
  SUBCASE("not that of another program")
  {
    {
      const pid_file mine = test.create();
      replace_file(test.path, "4711\n", test.error);
    }
    CHECK(first_line(test.path) == "4711");
  }
  SUBCASE("not where it is gone")
  {
    const pid_file mine = test.create();
    fs::remove(test.path);
  }
  SUBCASE("not by a child that was forked")
  {
    pid_file mine = test.create();
    const pid_t child = ::fork();
    if (child == 0) {
      mine.remove();
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    CHECK(first_line(test.path) == std::to_string(::getpid()));
    // Nor has that ended the lock.
    test.fails_with(std::errc::file_exists);
  }
}

TEST_CASE("of several processes that want one at the same moment one gets it")
{
  fixture test;
  for (int round = 0; round != 20; ++round) {
    if (round % 2 == 0) test.write("");
    else fs::remove(test.path);
    std::array<int, 2> results, go;
    REQUIRE(::pipe(results.data()) == 0);
    REQUIRE(::pipe(go.data()) == 0);
    std::vector<pid_t> children;
    for (int i = 0; i != 8; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::close(go[1]);
        std::error_code error;
        const pid_file mine = pid_file::create(test.path, error);
        const char result = mine ? '1' : error == std::errc::file_exists ? '0' : '?';
        char end = 0;
        // It lives until all have tried.
        const bool told = ::write(results[1], &result, 1) == 1 && ::read(go[0], &end, 1) == 0;
        ::_exit(told ? 0 : 1);
      }
      children.push_back(child);
    }
    ::close(go[0]);
    ::close(results[1]);
    std::string all;
    char each = 0;
    while (all.size() != children.size() && ::read(results[0], &each, 1) == 1) all += each;
    std::string owner = first_line(test.path);
    ::close(go[1]);
    ::close(results[0]);
    bool is_one_of_them = false;
    for (const pid_t child : children) {
      int status = -1;
      ::waitpid(child, &status, 0);
      CHECK(status == 0);
      if (owner == std::to_string(child)) is_one_of_them = true;
    }
    std::sort(all.begin(), all.end());
    CHECK(all == "00000001");
    CHECK(is_one_of_them);
    CHECK(test.entries() == 1);
  }
}

TEST_CASE("who replaces a process has its file from then on, whoever of the two ends first")
{
  fixture test;
  pid_file old = test.create();
  REQUIRE(old);
  // As that of another process.
  test.write("1\n");
  pid_file mine = pid_file::take_over(test.path, test.error);
  REQUIRE(mine);
  CHECK_FALSE(test.error);
  CHECK(first_line(test.path) == std::to_string(::getpid()));
  CHECK(fs::status(test.path).permissions() == static_cast<fs::perms>(0644));
  old.let_go();
  CHECK_FALSE(old);
  old.remove();
  CHECK(fs::exists(test.path));
  // Locked.
  test.fails_with(std::errc::file_exists);
  mine.remove();
  CHECK(test.entries() == 0);
}

TEST_CASE("a file that is let go stays, and is for whoever wants it")
{
  fixture test;
  {
    pid_file mine = test.create();
    mine.let_go();
  }
  CHECK(fs::exists(test.path));
  test.write("999999999\n");
  test.succeeds();
}

TEST_CASE("what cannot be taken over is as it was")
{
  fixture test;
  fs::create_directory(test.path);
  CHECK_FALSE(pid_file::take_over(test.path, test.error));
  CHECK(test.error);
  CHECK(fs::is_directory(test.path));
  CHECK(test.entries() == 1);
}

} // namespace pid_file_test
