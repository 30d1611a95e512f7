// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/control.hpp>

#include <doctest/doctest.h>

#include "fuzz/wire.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace corpus_test {

namespace fs = std::filesystem;

namespace {

// This file's name is absolute, or relative to the folder of the build, in which the program is.
fs::path corpus()
{
  const fs::path source(__FILE__);
  for (auto folder = fs::read_symlink("/proc/self/exe").parent_path();;
       folder = folder.parent_path()) {
    for (const auto& tests : {folder / source / "../../../..", folder / "tests"})
      if (const auto found = (tests / "fuzz/corpus/wire").lexically_normal(); fs::exists(found))
        return found;
    if (folder == folder.root_path()) return {};
  }
}

std::vector<std::byte> contents(const fs::path& path)
{
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

} // namespace

TEST_CASE("what fuzzing once found interesting keeps the rules")
{
  const auto folder = corpus();
  REQUIRE_FALSE(folder.empty());
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    CAPTURE(entry.path());
    CHECK_NOTHROW(cohort_test::fuzz::check_wire(contents(entry.path())));
    ++count;
  }
  CHECK(count >= 29);
}

TEST_CASE("what lies close to it does too")
{
  std::mt19937 random(20);
  for (const auto& entry : fs::directory_iterator(corpus())) {
    CAPTURE(entry.path());
    const auto original = contents(entry.path());
    for (int round = 0; round != 50; ++round) {
      auto changed = original;
      for (auto left = 1 + random() % 3; left != 0 && !changed.empty(); --left)
        changed[random() % changed.size()] = static_cast<std::byte>(random());
      REQUIRE_NOTHROW(cohort_test::fuzz::check_wire(changed));
    }
  }
}

} // namespace corpus_test
