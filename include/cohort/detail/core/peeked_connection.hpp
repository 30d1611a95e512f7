// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/readiness.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <cstddef>
#include <new>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// A connection, and what its client has sent first, as far as that has been looked at.
class peeked_connection {
public:
  peeked_connection() noexcept = default;
  explicit peeked_connection(posix::unique_fd socket) noexcept : socket_(std::move(socket)) {}

  int get() const noexcept { return socket_.get(); }
  operator posix::unique_fd() && noexcept { return std::move(socket_); }
  std::span<const std::byte> first_bytes() const noexcept { return bytes_; }

  /// Looks at up to `limit` bytes: they are `first_bytes` from now on.
  /// @return whether there will be no more: that many are there, the client has ended, or nothing
  ///   can be looked at.
  bool look(std::size_t limit) noexcept;

private:
  posix::unique_fd socket_;
  std::vector<std::byte> bytes_;
};

// Implementation

inline bool peeked_connection::look(std::size_t limit) noexcept
{
  try {
    bytes_.resize(limit);
  } catch (const std::bad_alloc&) {
    return true;
  }
  std::error_code error;
  bytes_.resize(posix::peek(get(), bytes_, error));
  if (error) return !posix::would_block(error);
  return bytes_.empty() || bytes_.size() == limit;
}

} // namespace cohort::detail
