// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>

#include <mutex>
#include <set>
#include <utility>

namespace cohort::detail::posix {

/// Marks an open file as an end of one of this library's own channels for as long as this object
/// lives; may be made, moved and destroyed on any thread.
///
/// The file is known by its inode: descriptors that were duplicated from it are found too, however
/// they came about. It may be marked several times.
class channel_mark {
public:
  channel_mark() noexcept = default;

  /// Marks the file of `fd`; nothing is marked with an error.
  channel_mark(int fd, std::error_code& ec);

  channel_mark(channel_mark&& other) noexcept : entry_(other.entry_), set_(other.set_)
  {
    other.set_ = false;
  }
  channel_mark& operator=(channel_mark&& other) noexcept
  {
    channel_mark taken(std::move(other));
    std::swap(entry_, taken.entry_);
    std::swap(set_, taken.set_);
    return *this;
  }
  ~channel_mark();

  explicit operator bool() const noexcept { return set_; }

private:
  friend bool is_channel(int fd, std::error_code& ec) noexcept;

  using identity = std::pair<dev_t, ino_t>;
  using entry = std::multiset<identity>::iterator;
  struct registry {
    std::mutex mutex;
    std::multiset<identity> marked;
  };

  static registry& all();
  static identity identity_of(int fd, std::error_code& ec) noexcept;

  entry entry_;
  bool set_ = false;
};

/// Whether `fd` is open on a marked file; false with an error, when `fd` is not open.
bool is_channel(int fd, std::error_code& ec) noexcept;

// Implementation

inline channel_mark::registry& channel_mark::all()
{
  // Never destroyed: channels of static duration may outlive whatever else is static.
  static registry& marks = *new registry;
  return marks;
}

inline channel_mark::identity channel_mark::identity_of(int fd, std::error_code& ec) noexcept
{
  struct stat status;
  if (sys::fstat(fd, &status) != 0) {
    ec = last_error();
    return {};
  }
  ec.clear();
  return {status.st_dev, status.st_ino};
}

inline channel_mark::channel_mark(int fd, std::error_code& ec)
{
  const auto file = identity_of(fd, ec);
  if (ec) return;
  const std::scoped_lock lock(all().mutex);
  entry_ = all().marked.insert(file);
  set_ = true;
}

inline channel_mark::~channel_mark()
{
  if (!set_) return;
  const std::scoped_lock lock(all().mutex);
  all().marked.erase(entry_);
}

inline bool is_channel(int fd, std::error_code& ec) noexcept
{
  const auto file = channel_mark::identity_of(fd, ec);
  if (ec) return false;
  auto& marks = channel_mark::all();
  const std::scoped_lock lock(marks.mutex);
  return marks.marked.count(file) != 0;
}

} // namespace cohort::detail::posix
