// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace cohort::detail::posix {

// Both ask by number. Whoever wants to be sure that it was no other process's finds out afterwards
// that the one it means has not been reaped: then the number was its own all the time.

/// How many bytes of the process are in memory, those it shares with others counted in full.
/// `no_such_process` when it has ended, reaped or not.
std::uint64_t resident_memory(pid_t pid, std::error_code& ec) noexcept;

/// How many descriptors the process has open. From Linux 6.2 on that is one look, before that it
/// takes about a millisecond for a thousand. For a process of another user it takes the right to
/// trace it, which root has: else `permission_denied`.
std::uint64_t open_descriptors(pid_t pid, std::error_code& ec) noexcept;

// Implementation

namespace process_usage_detail {

inline unique_fd open_file(pid_t pid, const char* name, int flags, std::error_code& ec) noexcept
{
  std::array<char, 64> path;
  std::snprintf(path.data(), path.size(), "/proc/%d/%s", static_cast<int>(pid), name);
  unique_fd file(
      retry_interrupted([&] { return sys::open(path.data(), O_RDONLY | O_CLOEXEC | flags); }));
  ec = file ? std::error_code() : last_error();
  return file;
}

// How many names are in this many bytes of a directory, beside its own two.
inline std::uint64_t count_names(const char* data, std::size_t size) noexcept
{
  std::uint64_t names = 0;
  for (std::size_t at = 0; at < size;) {
    unsigned short length = 0;
    std::memcpy(&length, data + at + offsetof(dirent64, d_reclen), sizeof length);
    if (data[at + offsetof(dirent64, d_name)] != '.') ++names;
    at += length;
  }
  return names;
}

} // namespace process_usage_detail

inline std::uint64_t resident_memory(pid_t pid, std::error_code& ec) noexcept
{
  const unique_fd file = process_usage_detail::open_file(pid, "statm", 0, ec);
  if (ec) return 0;
  // "size resident shared ...", in pages.
  std::array<char, 256> text;
  const ssize_t size =
      retry_interrupted([&] { return sys::read(file.get(), text.data(), text.size()); });
  if (size == -1) {
    ec = last_error();
    return 0;
  }
  const char* const end = text.data() + size;
  std::uint64_t all = 0, resident = 0;
  const auto first = std::from_chars(text.data(), end, all);
  if (first.ptr != end) std::from_chars(first.ptr + 1, end, resident);
  // What has ended has no addresses even.
  if (all == 0) ec = std::make_error_code(std::errc::no_such_process);
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

inline std::uint64_t open_descriptors(pid_t pid, std::error_code& ec) noexcept
{
  using namespace process_usage_detail;
  const unique_fd folder = open_file(pid, "fd", O_DIRECTORY, ec);
  if (ec) return 0;
  struct stat status;
  if (sys::fstat(folder.get(), &status) == 0 && status.st_size > 0)
    return static_cast<std::uint64_t>(status.st_size);
  std::uint64_t names = 0;
  alignas(dirent64) std::array<char, 8192> entries;
  for (;;) {
    const ssize_t size = sys::getdents64(folder.get(), entries.data(), entries.size());
    if (size == -1) ec = last_error();
    if (size <= 0) return names;
    names += count_names(entries.data(), static_cast<std::size_t>(size));
  }
}

} // namespace cohort::detail::posix
