// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdlib>
#include <dirent.h>
#include <filesystem>
#include <string>
#include <system_error>

namespace cohort_test {

/// A directory that goes away with everything in it.
class scratch_directory {
public:
  scratch_directory() : path_("/tmp/cohort-test-XXXXXX")
  {
    if (!::mkdtemp(path_.data())) throw std::system_error(errno, std::system_category(), "mkdtemp");
  }
  ~scratch_directory()
  {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  scratch_directory(const scratch_directory&) = delete;
  scratch_directory& operator=(const scratch_directory&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + '/' + name; }

private:
  std::string path_;
};

/// How many descriptors a process has open; this one when not said.
inline std::size_t count_descriptors(pid_t pid = 0)
{
  const std::string place = pid == 0 ? "/proc/self/fd" : "/proc/" + std::to_string(pid) + "/fd";
  DIR* const directory = ::opendir(place.c_str());
  if (!directory) return 0;
  std::size_t count = 0;
  while (const dirent* entry = ::readdir(directory)) count += entry->d_name[0] == '.' ? 0 : 1;
  ::closedir(directory);
  return pid == 0 ? count - 1 : count;
}

} // namespace cohort_test
