// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/unique_fd.hpp>

#include "support/scratch.hpp"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <system_error>

namespace cohort_test {

/// A directory whose path alone is longer than the address of a Unix socket. It goes away with
/// everything in it.
class deep_directory {
public:
  deep_directory() : path_(scratch_.file(std::string(60, 'd')) + '/' + std::string(60, 'e'))
  {
    std::filesystem::create_directories(path_);
    descriptor_.reset(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!descriptor_) throw std::system_error(errno, std::system_category(), "open");
  }

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + '/' + name; }

  /// The path of the same file for this process, short enough for an address.
  std::string short_file(const std::string& name) const
  {
    return "/proc/self/fd/" + std::to_string(descriptor_.get()) + '/' + name;
  }

private:
  scratch_directory scratch_;
  std::string path_;
  cohort::detail::posix::unique_fd descriptor_;
};

} // namespace cohort_test
