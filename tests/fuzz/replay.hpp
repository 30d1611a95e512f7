// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "fuzz/check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

// For unit tests that do with the corpus of a fuzz target, in every build, what fuzzing does.

namespace cohort_test::fuzz {

struct corpus_file {
  std::string name;
  std::vector<std::byte> contents;
};

/// What lies in `tests/fuzz/corpus/TARGET`, by name.
inline std::vector<corpus_file> corpus_of(const std::string& target)
{
  namespace fs = std::filesystem;
  // This file's name is absolute, or relative to the folder of the build, in which the program is.
  const auto here = fs::path(__FILE__).parent_path();
  fs::path found;
  for (auto folder = fs::read_symlink("/proc/self/exe").parent_path(); found.empty();
       folder = folder.parent_path()) {
    for (const auto& fuzz : {folder / here, folder / "tests/fuzz"})
      if (const auto corpus = fuzz / "corpus" / target; fs::exists(corpus)) found = corpus;
    if (folder == folder.root_path()) break;
  }
  std::vector<corpus_file> files;
  if (found.empty()) return files;
  for (const auto& entry : fs::directory_iterator(found)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const auto bytes = std::as_bytes(std::span(text));
    files.push_back({entry.path().filename(), {bytes.begin(), bytes.end()}});
  }
  std::ranges::sort(files, {}, &corpus_file::name);
  return files;
}

/// Checks each file of the corpus.
template <class Check>
void replay(const std::string& target, std::size_t at_least, Check check)
{
  const auto files = corpus_of(target);
  CHECK(files.size() >= at_least);
  for (const auto& file : files) {
    CAPTURE(file.name);
    CHECK_NOTHROW(check(file.contents));
  }
}

/// Checks what is each file but for a few bytes.
template <class Check>
void replay_changed(const std::string& target, int rounds, Check check)
{
  std::mt19937 random(20);
  for (const auto& file : corpus_of(target)) {
    CAPTURE(file.name);
    for (int round = 0; round != rounds; ++round) {
      auto changed = file.contents;
      for (auto left = 1 + random() % 3; left != 0 && !changed.empty(); --left)
        changed[random() % changed.size()] = static_cast<std::byte>(random());
      REQUIRE_NOTHROW(check(changed));
    }
  }
}

} // namespace cohort_test::fuzz
