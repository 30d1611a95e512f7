// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <atomic>
#include <cstddef>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace cohort::detail::posix {

/// Puts a file with these bytes in the place of what is at `path`, at once: who opens it finds the
/// old bytes or the new ones, all of them. A symbolic link there is replaced itself.
///
/// Directories on the way are made, open to all to read. With an error the old file is as it was.
/// That the new one survives the machine's crash is not waited for.
/// @param mode permissions, whatever the process's umask says.
void replace_file(
    const std::string& path, std::string_view bytes, std::error_code& ec, mode_t mode = 0644);

/// A file that is complete and has not got its name yet: it is in the same directory under another
/// one, and goes away unless it is given its own.
class unnamed_file {
public:
  unnamed_file(const std::string& path, std::string_view bytes, mode_t mode, std::error_code& ec);
  unnamed_file(const unnamed_file&) = delete;
  unnamed_file& operator=(const unnamed_file&) = delete;
  ~unnamed_file()
  {
    if (!name_.empty()) sys::unlink(name_.c_str());
  }

  int get() const noexcept { return file_.get(); }
  /// The open file, to be kept; the name is not affected.
  unique_fd release() noexcept { return std::move(file_); }

  /// Gives it its name, which somebody may have: then `file_exists`.
  void take_name(const std::string& path, std::error_code& ec) noexcept;
  /// Gives it its name, whoever has it.
  void replace(const std::string& path, std::error_code& ec) noexcept;

private:
  void open(const std::string& path, mode_t mode, std::error_code& ec);

  std::string name_;
  unique_fd file_;
};

// Implementation

namespace replace_file_detail {

// Nobody else gives this name to a file at the same time.
inline std::string name_beside(const std::string& path)
{
  static std::atomic<unsigned> last = 0;
  return path + '.' + std::to_string(::getpid()) + '-' + std::to_string(++last);
}

inline void make_directories(const std::string& path, std::error_code& ec)
{
  for (std::size_t end = path.find('/', 1); end != path.npos; end = path.find('/', end + 1)) {
    if (sys::mkdir(path.substr(0, end).c_str(), mode_t(0755)) == 0 || errno == EEXIST) continue;
    ec = last_error();
    return;
  }
}

inline void write_all(int fd, std::string_view bytes, std::error_code& ec) noexcept
{
  while (!bytes.empty()) {
    const auto size = retry_interrupted([&] { return sys::write(fd, bytes.data(), bytes.size()); });
    if (size == -1) {
      ec = last_error();
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
}

} // namespace replace_file_detail

inline unnamed_file::unnamed_file(
    const std::string& path, std::string_view bytes, mode_t mode, std::error_code& ec)
{
  ec.clear();
  open(path, mode, ec);
  if (ec == std::errc::no_such_file_or_directory) {
    ec.clear();
    replace_file_detail::make_directories(path, ec);
    if (!ec) open(path, mode, ec);
  }
  if (!ec && sys::fchmod(file_.get(), mode) != 0) ec = last_error();
  if (!ec) replace_file_detail::write_all(file_.get(), bytes, ec);
}

inline void unnamed_file::open(const std::string& path, mode_t mode, std::error_code& ec)
{
  std::string name = replace_file_detail::name_beside(path);
  const auto create = [&] {
    return retry_interrupted([&] {
      return sys::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    });
  };
  int fd = create();
  // Left by a process that had this one's number, and was killed.
  if (fd == -1 && errno == EEXIST && sys::unlink(name.c_str()) == 0) fd = create();
  if (fd == -1) {
    ec = last_error();
    return;
  }
  file_.reset(fd);
  name_ = std::move(name);
}

inline void unnamed_file::take_name(const std::string& path, std::error_code& ec) noexcept
{
  // The other name goes away with this object.
  ec = sys::link(name_.c_str(), path.c_str()) == 0 ? std::error_code() : last_error();
}

inline void unnamed_file::replace(const std::string& path, std::error_code& ec) noexcept
{
  ec = sys::rename(name_.c_str(), path.c_str()) == 0 ? std::error_code() : last_error();
  if (!ec) name_.clear();
}

inline void replace_file(
    const std::string& path, std::string_view bytes, std::error_code& ec, mode_t mode)
{
  unnamed_file file(path, bytes, mode, ec);
  if (!ec) file.replace(path, ec);
}

} // namespace cohort::detail::posix
