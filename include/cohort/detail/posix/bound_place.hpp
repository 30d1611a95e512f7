// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cohort::detail::posix {

/// What a socket is bound to, or is to be bound to, as this process reaches it.
///
/// A Unix path may be longer than an address holds. Its directory is then held open, and the
/// address is "/proc/self/fd/N/NAME": that names the same file, whatever is renamed meanwhile, but
/// in this process alone, and no longer than the directory is open.
struct bound_place {
  bound_place() = default;
  bound_place(const socket_address& where) noexcept : address(where) {}

  socket_address address;
  unique_fd directory;

  /// What it is for others: they cannot use an address that needs the directory, and are given an
  /// unnamed one.
  socket_address shown() const noexcept;
};

/// How many bytes of a long path may stand behind its last slash, whatever the number of the
/// directory's descriptor has: seven digits or less.
inline constexpr std::size_t longest_socket_name = 85;

/// Reaches an absolute path that is too long for an address. Errors: `filename_too_long` for its
/// last part, and what opening the directory gives.
bound_place reach_path(std::string_view path, std::error_code& ec);

// Implementation

inline socket_address bound_place::shown() const noexcept
{
  if (!directory) return address;
  const sa_family_t family = AF_UNIX;
  std::error_code ignored; // it is one
  return socket_address::from_bytes(std::as_bytes(std::span(&family, 1)), ignored);
}

inline bound_place reach_path(std::string_view path, std::error_code& ec)
{
  const std::size_t name = path.rfind('/') + 1;
  if (path.size() - name > longest_socket_name) {
    ec = std::make_error_code(std::errc::filename_too_long);
    return {};
  }
  bound_place place;
  place.directory.reset(
      sys::open(std::string(path.substr(0, name)).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place.directory) {
    ec = last_error();
    return {};
  }
  const std::string parent = "/proc/self/fd/" + std::to_string(place.directory.get()) + '/';
  place.address = socket_address::from_path(parent + std::string(path.substr(name)), ec);
  return place;
}

} // namespace cohort::detail::posix
