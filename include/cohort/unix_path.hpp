// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>

namespace cohort {

/// The path of a Unix socket that `listen` listens on, of any length the system has, while an
/// endpoint of Asio holds 107 bytes. A relative one counts from the working directory of the worker
/// that listens. Source: Node's `server.listen(path)`, without its limit.
///
/// The file's own name has at most 85 bytes. Clients whose addresses hold no more than others do
/// can connect by a relative path, or by a descriptor of the directory:
/// `/proc/self/fd/DESCRIPTOR/NAME`.
class unix_path {
public:
  explicit unix_path(std::string path) noexcept : value_(std::move(path)) {}

  const std::string& value() const noexcept { return value_; }

private:
  std::string value_;
};

} // namespace cohort
