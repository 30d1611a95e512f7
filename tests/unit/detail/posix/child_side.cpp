// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/child_side.hpp>

#include <doctest/doctest.h>

#include "support/time_factor.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace child_side_test {

// These functions change the process they run in, so every case runs in one of its own.

using namespace cohort::detail::posix;

namespace {

constexpr int file_count = 8;
constexpr int number_limit = 64;

// The exit code of a copy of this process that calls `function`.
template <class Function>
int in_a_child(Function function)
{
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(function());
  int status = 0;
  while (::waitpid(pid, &status, 0) == -1 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::pair<dev_t, ino_t> identity(int fd)
{
  struct stat status;
  if (::fstat(fd, &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

bool is_null(int fd)
{
  struct stat status, null;
  return ::fstat(fd, &status) == 0 && ::stat("/dev/null", &null) == 0 &&
         status.st_rdev == null.st_rdev;
}

// Different files as descriptors 0 to 7, every other one CLOEXEC, and nothing else.
std::array<std::pair<dev_t, ino_t>, file_count> make_files()
{
  ::close_range(0, ~0U, 0);
  std::array<std::pair<dev_t, ino_t>, file_count> identities;
  for (int fd = 0; fd != file_count; ++fd) {
    const int made = ::memfd_create("file", fd % 2 ? MFD_CLOEXEC : 0);
    if (made != fd) ::_exit(99);
    identities[static_cast<std::size_t>(fd)] = identity(fd);
  }
  return identities;
}

// 0 when the descriptors are as they should be after `arrange_descriptors`, else a reason.
int arrange_and_look(std::vector<int> sources, int report_fd)
{
  const auto files = make_files();
  const auto wanted = sources;
  child_plan plan{};
  plan.sources = sources.data();
  plan.count = static_cast<int>(sources.size());
  plan.report_fd = report_fd;
  if (child_detail::arrange_descriptors(plan) != 0) return 1;
  for (int fd = 0; fd != plan.count; ++fd) {
    const int source = wanted[static_cast<std::size_t>(fd)];
    if (::fcntl(fd, F_GETFD) != 0) return 2;
    const bool was_cloexec = fd % 2 != 0;
    if (source == -1 && was_cloexec
            ? !is_null(fd)
            : identity(fd) != files[static_cast<std::size_t>(source == -1 ? fd : source)])
      return 3;
  }
  if (identity(plan.report_fd) != files[static_cast<std::size_t>(report_fd)]) return 4;
  if (::fcntl(plan.report_fd, F_GETFD) != FD_CLOEXEC) return 5;
  for (int fd = plan.count; fd != number_limit; ++fd)
    if (fd != plan.report_fd && ::fcntl(fd, F_GETFD) != -1) return 6;
  return 0;
}

std::string text_of(const std::vector<int>& sources, int report_fd)
{
  std::ostringstream text;
  for (const int source : sources) text << source << ' ';
  text << "report " << report_fd;
  return text.str();
}

} // namespace

TEST_CASE("descriptors come to their places from any other places")
{
  // Every way to take four descriptors from the four places and one beyond; the first three may
  // also stay as they are. The report pipe is somewhere else in each. Where everything is slow,
  // as under sanitizers, one in seven: that comes by each place of each descriptor, too.
  const int step = cohort_test::time_factor() > 1 ? 7 : 1;
  int report_fd = 1;
  for (int code = 0; code < 6 * 6 * 6 * 5; code += step) {
    const std::vector<int> sources{code % 6 - 1, code / 6 % 6 - 1, code / 36 % 6 - 1, code / 216};
    report_fd = (report_fd + 2) % file_count | 1;
    const int result = in_a_child([&] { return arrange_and_look(sources, report_fd); });
    CHECK_MESSAGE(result == 0, text_of(sources, report_fd));
  }
}

TEST_CASE("descriptors swap places in every permutation")
{
  std::vector<int> sources{0, 1, 2, 3, 4};
  do {
    const int result = in_a_child([&] { return arrange_and_look(sources, 5); });
    CHECK_MESSAGE(result == 0, text_of(sources, 5));
  } while (std::next_permutation(sources.begin(), sources.end()));
}

TEST_CASE("missing standard streams are filled, whichever are missing")
{
  for (int missing = 0; missing != 8; ++missing) {
    const int result = in_a_child([&] {
      ::close_range(0, ~0U, 0);
      for (int fd = 0; fd != 4; ++fd)
        if (::memfd_create("file", fd == 3 ? MFD_CLOEXEC : 0) != fd) return 1;
      for (int fd = 0; fd != 3; ++fd)
        if (missing & 1 << fd) ::close(fd);
      int sources[] = {-1, -1, -1};
      child_plan plan{};
      plan.sources = sources;
      plan.count = 3;
      plan.report_fd = 3;
      if (child_detail::arrange_descriptors(plan) != 0) return 2;
      for (int fd = 0; fd != 3; ++fd) {
        if (::fcntl(fd, F_GETFD) != 0) return 3;
        if (is_null(fd) != ((missing & 1 << fd) != 0)) return 4;
      }
      for (int fd = 4; fd != number_limit; ++fd)
        if (::fcntl(fd, F_GETFD) != -1) return 5;
      return 0;
    });
    CHECK(result == 0);
  }
}

TEST_CASE("a source that is no descriptor is an error")
{
  const int result = in_a_child([] {
    make_files();
    int sources[] = {-1, -1, -1, 50};
    child_plan plan{};
    plan.sources = sources;
    plan.count = 4;
    plan.report_fd = 7;
    return child_detail::arrange_descriptors(plan) == EBADF ? 0 : 1;
  });
  CHECK(result == 0);
}

TEST_CASE("descriptors are closed one by one where the kernel cannot close a range")
{
  const int result = in_a_child([] {
    make_files();
    for (int i = 0; i != 500; ++i) ::fcntl(0, F_DUPFD, 100);
    const int directory = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    child_detail::close_listed(directory, 4, 6);
    for (int fd = 0; fd != 1000; ++fd) {
      const bool expected = fd < 4 || fd == 6 || fd == directory;
      if ((::fcntl(fd, F_GETFD) != -1) != expected) return 1;
    }
    return 0;
  });
  CHECK(result == 0);
}

TEST_CASE("every step has a name of its own")
{
  std::vector<std::string> names;
  for (int step = 0; step <= static_cast<int>(start_step::execute); ++step)
    names.emplace_back(name_of(static_cast<start_step>(step)));
  CHECK(names.front() == "create");
  CHECK(names.back() == "execute");
  std::ranges::sort(names);
  CHECK(std::ranges::adjacent_find(names) == names.end());
}

TEST_CASE("every signal gets its default action back")
{
  const int result = in_a_child([] {
    for (int signal = 1; signal != NSIG; ++signal)
      if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_IGN);
    ::signal(SIGTERM, [](int) {});
    child_detail::reset_dispositions();
    for (int signal = 1; signal != NSIG; ++signal) {
      struct sigaction action {};
      if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_DFL) return 1;
    }
    return 0;
  });
  CHECK(result == 0);
}

} // namespace child_side_test
