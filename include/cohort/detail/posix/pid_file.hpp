// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/replace_file.hpp>
#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <fcntl.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace cohort::detail::posix {

/// The file that holds this process's number, as long as this object lives.
///
/// One program has a pid file at a time. Its owner keeps a lock on it (`flock`), which ends with
/// the process however that ends: a file that nobody has locked is left over, even if its number
/// belongs to somebody again, as after a restart of a container, where the same small numbers come
/// back. Programs that lock nothing are respected as well: their number counts as long as it is
/// that of a living process which is no younger than the file.
///
/// The file appears with its number and mode 0644; it is never seen empty.
class pid_file {
public:
  /// None.
  pid_file() noexcept = default;

  /// Directories on the way are made.
  /// Errors: `file_exists` when it is that of another living process, or no pid file at all;
  /// `too_many_symbolic_link_levels` for a symbolic link; what creating a file gives.
  static pid_file create(const std::string& path, std::error_code& ec);

  /// The same when this process replaces the one whose it is: the file gets this one's number.
  static pid_file take_over(const std::string& path, std::error_code& ec);

  pid_file(pid_file&&) noexcept = default;
  pid_file& operator=(pid_file&& other) noexcept
  {
    remove();
    path_ = std::move(other.path_);
    file_ = std::move(other.file_);
    return *this;
  }
  ~pid_file() { remove(); }

  explicit operator bool() const noexcept { return static_cast<bool>(file_); }

  /// Removes the file, if it holds the number of this process still: not what another program has
  /// put there, and not in a child that was forked.
  void remove() noexcept;

  /// It is another process's from now on.
  void let_go() noexcept { file_.reset(); }

private:
  pid_file(std::string path, unique_fd file) noexcept
      : path_(std::move(path)),
        file_(std::move(file))
  {
  }

  std::string path_;
  unique_fd file_;
};

// Implementation

namespace pid_file_detail {

// What a pid file is never larger than.
inline constexpr std::size_t longest = 32;

// The beginning of a file, in `buffer`.
inline std::string_view read_start(int fd, char* buffer, std::size_t size, std::error_code& ec)
{
  const auto got = retry_interrupted([&] { return sys::read(fd, buffer, size); });
  if (got == -1) ec = last_error();
  return {buffer, got == -1 ? 0 : static_cast<std::size_t>(got)};
}

// The number in the text of a pid file.
inline std::optional<pid_t> parse_pid(std::string_view text) noexcept
{
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  pid_t pid = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (failed != std::errc() || end != text.data() + text.size() || pid < 1) return std::nullopt;
  return pid;
}

// When a process began, in seconds of the clock that files have too.
inline std::optional<double> began_at(pid_t pid)
{
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const unique_fd file(
      retry_interrupted([&] { return sys::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!file) return std::nullopt;
  char buffer[1024];
  std::error_code failed;
  std::string_view text = read_start(file.get(), buffer, sizeof buffer, failed);
  // Its name stands in parentheses, and may contain some; what follows are plain fields.
  text.remove_prefix(std::min(text.rfind(')') + 1, text.size()));
  for (int field = 3; field != 22; ++field)
    text.remove_prefix(std::min(text.find(' ', 1), text.size()));
  if (text.empty()) return std::nullopt;
  std::uint64_t ticks = 0;
  const auto parsed = std::from_chars(text.data() + 1, text.data() + text.size(), ticks);
  if (failed || parsed.ec != std::errc()) return std::nullopt;
  const auto seconds = [](clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  };
  const double since_boot =
      static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME) + since_boot;
}

// Whether a process of this number may have written the file.
inline bool may_be_writer(pid_t pid, const struct stat& file)
{
  if (sys::kill(pid, 0) != 0 && errno == ESRCH) return false;
  const auto began = began_at(pid);
  // A clock that was set by more than this since then misleads: programs that lock nothing have to
  // bear with that.
  constexpr double tolerance = 2;
  return !began || *began <= static_cast<double>(file.st_mtim.tv_sec) + tolerance;
}

inline bool lock(int file, std::error_code& ec) noexcept
{
  const int result = retry_interrupted([&] { return sys::flock(file, LOCK_EX | LOCK_NB); });
  if (result != 0) ec = last_error();
  return result == 0;
}

// What is at `path`, locked, if it is a pid file that nobody needs: none when there is no file any
// more, without an error.
inline unique_fd lock_stale(const std::string& path, std::error_code& ec)
{
  unique_fd file(retry_interrupted(
      [&] { return sys::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); }));
  struct stat mine, now;
  if (!file || sys::fstat(file.get(), &mine) != 0) {
    ec = last_error();
    if (!file && ec == std::errc::no_such_file_or_directory) ec.clear();
    return unique_fd();
  }
  if (!S_ISREG(mine.st_mode)) {
    ec = std::make_error_code(std::errc::file_exists);
    return unique_fd();
  }
  if (!lock(file.get(), ec)) {
    if (would_block(ec)) ec = std::make_error_code(std::errc::file_exists);
    return unique_fd();
  }
  // Its owner may have removed or replaced it before that.
  if (sys::lstat(path.c_str(), &now) != 0) {
    ec = last_error();
    if (ec == std::errc::no_such_file_or_directory) ec.clear();
    return unique_fd();
  }
  if (now.st_dev != mine.st_dev || now.st_ino != mine.st_ino) return unique_fd();
  char buffer[longest];
  const std::string_view text = read_start(file.get(), buffer, sizeof buffer, ec);
  const auto pid = parse_pid(text);
  const bool is_other = pid && *pid != ::getpid() && may_be_writer(*pid, mine);
  // What is empty was left by a program that wrote it in two steps, and did not come to the second.
  if (!ec && (is_other || (!pid && !text.empty())))
    ec = std::make_error_code(std::errc::file_exists);
  return ec ? unique_fd() : std::move(file);
}

} // namespace pid_file_detail

inline pid_file pid_file::create(const std::string& path, std::error_code& ec)
{
  unnamed_file created(path, std::to_string(::getpid()) + '\n', 0644, ec);
  if (ec || !pid_file_detail::lock(created.get(), ec)) return pid_file();
  // Each further round is for a file that somebody has removed or replaced meanwhile.
  for (int rounds = 0; rounds != 100; ++rounds) {
    created.take_name(path, ec);
    if (ec == std::errc::file_exists) {
      ec.clear();
      // Locked until it is replaced: of several processes that find it one goes on.
      const unique_fd stale = pid_file_detail::lock_stale(path, ec);
      if (!ec && !stale) continue;
      if (!ec) created.replace(path, ec);
    }
    return ec ? pid_file() : pid_file(path, created.release());
  }
  ec = std::make_error_code(std::errc::file_exists);
  return pid_file();
}

inline pid_file pid_file::take_over(const std::string& path, std::error_code& ec)
{
  unnamed_file created(path, std::to_string(::getpid()) + '\n', 0644, ec);
  if (ec || !pid_file_detail::lock(created.get(), ec)) return pid_file();
  created.replace(path, ec);
  return ec ? pid_file() : pid_file(path, created.release());
}

inline void pid_file::remove() noexcept
{
  // Closed at the end: until then nobody takes it for a stale one.
  const unique_fd mine = std::move(file_);
  if (!mine) return;
  const unique_fd file(retry_interrupted(
      [&] { return sys::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); }));
  if (!file) return;
  char buffer[pid_file_detail::longest];
  std::error_code failed;
  const auto text = pid_file_detail::read_start(file.get(), buffer, sizeof buffer, failed);
  if (pid_file_detail::parse_pid(text) == ::getpid()) sys::unlink(path_.c_str());
}

} // namespace cohort::detail::posix
