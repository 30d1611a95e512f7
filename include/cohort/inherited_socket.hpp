// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace cohort {

/// A listening socket that a service manager has given to the primary, by its name: that of the
/// socket unit, or what its `FileDescriptorName=` says. Source: systemd's
/// `sd_listen_fds_with_names`.
///
/// The sockets of one unit have one name: `index` tells which of them, from 0 on, in the order of
/// the unit's `ListenStream=` lines.
class inherited_socket {
public:
  /// @throws std::invalid_argument when the name is empty, has more than 255 bytes, or others than
  ///   printable ones of ASCII, or a colon.
  explicit inherited_socket(std::string name, std::uint16_t index = 0)
      : name_(std::move(name)),
        index_(index)
  {
    const auto is_bad = [](char each) { return each < ' ' || each > '~' || each == ':'; };
    if (name_.empty() || name_.size() > longest_name || std::ranges::any_of(name_, is_bad))
      throw std::invalid_argument("cohort: bad name of an inherited socket");
  }

  static constexpr std::size_t longest_name = 255;

  const std::string& name() const noexcept { return name_; }
  std::uint16_t index() const noexcept { return index_; }

private:
  std::string name_;
  std::uint16_t index_;
};

} // namespace cohort
