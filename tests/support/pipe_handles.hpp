// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/handle.hpp>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace cohort_test {

/// What an open file is, whatever its number.
inline ino_t file_identity(int fd)
{
  struct stat status;
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/// Two ends of a new pipe.
inline std::array<cohort::handle, 2> make_pipe()
{
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category());
  return {cohort::handle::adopt(ends[0]), cohort::handle::adopt(ends[1])};
}

} // namespace cohort_test
