// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/replace_file.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace replace_file_test {

using namespace cohort::detail::posix;
namespace fs = std::filesystem;

namespace {

std::string content(const std::string& path)
{
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::size_t entries(const std::string& folder)
{
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

struct fixture {
  cohort_test::scratch_directory folder;
  std::string path = folder.file("status");
  std::error_code error;
};

} // namespace

TEST_CASE("a file is there with its bytes and its mode, whatever the umask says, and nothing else")
{
  fixture test;
  const mode_t before = ::umask(0077);
  replace_file(test.path, "first", test.error);
  CHECK_FALSE(test.error);
  CHECK(content(test.path) == "first");
  CHECK(fs::status(test.path).permissions() == static_cast<fs::perms>(0644));
  replace_file(test.path, "", test.error, 0600);
  ::umask(before);
  CHECK_FALSE(test.error);
  CHECK(content(test.path).empty());
  CHECK(fs::status(test.path).permissions() == static_cast<fs::perms>(0600));
  CHECK(entries(test.folder.path()) == 1);
}

TEST_CASE("who has the old file open goes on reading it")
{
  fixture test;
  replace_file(test.path, "old", test.error);
  std::ifstream reader(test.path);
  replace_file(test.path, "new", test.error);
  std::string word;
  reader >> word;
  CHECK(word == "old");
  CHECK(content(test.path) == "new");
}

TEST_CASE("a reader finds one of the files as a whole")
{
  fixture test;
  replace_file(test.path, std::string(100000, 'a'), test.error);
  std::atomic<bool> over = false;
  std::atomic<std::size_t> torn = 0, read = 0;
  std::thread reader([&] {
    while (!over) {
      const std::string found = content(test.path);
      const std::size_t size = found.starts_with('a') ? 100000U : 50000U;
      if (found != std::string(size, size == 100000 ? 'a' : 'b')) ++torn;
      ++read;
    }
  });
  // As often as the reader needs to look in between.
  for (int i = 0; i < 200 || (read < 20 && i < 20000); ++i) {
    replace_file(test.path, std::string(50000, 'b'), test.error);
    replace_file(test.path, std::string(100000, 'a'), test.error);
    if (test.error) break;
  }
  over = true;
  reader.join();
  CHECK_FALSE(test.error);
  CHECK(torn == 0);
  CHECK(read >= 20);
}

TEST_CASE("directories on the way are made")
{
  fixture test;
  const std::string path = test.folder.file("a/b/c/status");
  replace_file(path, "x", test.error);
  CHECK_FALSE(test.error);
  CHECK(content(path) == "x");
}

TEST_CASE("a symbolic link is replaced itself, and what it leads to stays")
{
  fixture test;
  const std::string target = test.folder.file("target");
  replace_file(target, "kept", test.error);
  fs::create_symlink(target, test.path);
  replace_file(test.path, "new", test.error);
  CHECK_FALSE(fs::is_symlink(test.path));
  CHECK(content(test.path) == "new");
  CHECK(content(target) == "kept");
}

TEST_CASE("with an error nothing has changed, and nothing is left")
{
  fixture test;
  fs::create_directory(test.path);
  replace_file(test.path, "x", test.error);
  CHECK(test.error == std::errc::is_a_directory);
  CHECK(entries(test.folder.path()) == 1);
  const std::string file = test.folder.file("file");
  replace_file(file, "x", test.error);
  CHECK_FALSE(test.error);
  replace_file(file + "/below", "x", test.error);
  CHECK(test.error == std::errc::not_a_directory);
  CHECK(content(file) == "x");
  CHECK(entries(test.folder.path()) == 2);
}

TEST_CASE("what a killed process with the same number has left is no obstacle")
{
  fixture test;
  std::string name;
  {
    const unnamed_file file(test.path, "x", 0600, test.error);
    REQUIRE_FALSE(test.error);
    name = fs::directory_iterator(test.folder.path())->path().native();
  }
  CHECK(entries(test.folder.path()) == 0);
  const auto dash = name.rfind('-');
  const unsigned long next = std::stoul(name.substr(dash + 1)) + 1;
  std::ofstream(name.substr(0, dash + 1) + std::to_string(next)) << "left";
  replace_file(test.path, "new", test.error);
  CHECK_FALSE(test.error);
  CHECK(content(test.path) == "new");
  CHECK(entries(test.folder.path()) == 1);
}

TEST_CASE("a name that somebody has is not taken")
{
  fixture test;
  replace_file(test.path, "theirs", test.error);
  {
    unnamed_file file(test.path, "mine", 0600, test.error);
    file.take_name(test.path, test.error);
    CHECK(test.error == std::errc::file_exists);
    fs::remove(test.path);
    file.take_name(test.path, test.error);
    CHECK_FALSE(test.error);
  }
  CHECK(content(test.path) == "mine");
  CHECK(entries(test.folder.path()) == 1);
}

} // namespace replace_file_test
