// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/posix/process_usage.hpp>

#include <cohort/detail/posix/pidfd.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <dirent.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace process_usage_test {

using namespace cohort::detail::posix;

namespace {

std::uint64_t own_memory()
{
  std::error_code error;
  const std::uint64_t bytes = resident_memory(::getpid(), error);
  CHECK(!error);
  return bytes;
}

std::uint64_t own_descriptors()
{
  std::error_code error;
  const std::uint64_t number = open_descriptors(::getpid(), error);
  CHECK(!error);
  return number;
}

} // namespace

TEST_CASE("memory that a process uses counts, and memory that it only reserves does not")
{
  constexpr std::size_t size = 64 << 20;
  const std::uint64_t before = own_memory();
  CHECK(before > 100'000);
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  CHECK(own_memory() < before + size / 4);
  std::memset(memory, 1, size);
  CHECK(own_memory() > before + size / 2);
  ::munmap(memory, size);
  CHECK(own_memory() < before + size / 2);
}

TEST_CASE("each descriptor counts")
{
  const std::uint64_t before = own_descriptors();
  // More than fit in one look at the directory.
  std::vector<unique_fd> more;
  for (int i = 0; i != 700; ++i) more.emplace_back(::dup(0));
  REQUIRE(more.back());
  CHECK(own_descriptors() == before + 700);
  more.clear();
  CHECK(own_descriptors() == before);
}

TEST_CASE("names in a directory are counted without its own two")
{
  alignas(dirent64) std::array<char, 512> bytes{};
  std::size_t end = 0;
  for (const char* name : {".", "..", "0", "1", "255", "1000000"}) {
    const auto length = static_cast<unsigned short>(
        (offsetof(dirent64, d_name) + std::strlen(name) + 1 + 7) / 8 * 8);
    std::memcpy(bytes.data() + end + offsetof(dirent64, d_reclen), &length, sizeof length);
    std::strcpy(bytes.data() + end + offsetof(dirent64, d_name), name);
    end += length;
  }
  CHECK(process_usage_detail::count_names(bytes.data(), end) == 4);
  CHECK(process_usage_detail::count_names(bytes.data(), 0) == 0);
}

TEST_CASE("a process that has ended uses nothing that could be known, reaped or not")
{
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  siginfo_t info;
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
  std::error_code error;
  resident_memory(pid, error);
  CHECK(error == std::errc::no_such_process);
  wait(-1, pid);
  resident_memory(pid, error);
  CHECK(error);
  open_descriptors(pid, error);
  CHECK(error);
}

} // namespace process_usage_test
