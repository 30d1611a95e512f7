// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace cohort {

/// Environment variables for a worker, on top of the primary's own.
class environment {
public:
  environment() = default;

  /// Gives the worker the variable `name` with `value`.
  /// @throws std::invalid_argument when `name` is empty or has a '=' or either has a NUL byte.
  environment& set(std::string_view name, std::string_view value) &;
  environment set(std::string_view name, std::string_view value) &&;

  /// What was set, by name.
  const std::map<std::string, std::string>& values() const noexcept { return values_; }

private:
  std::map<std::string, std::string> values_;
};

// Implementation

inline environment& environment::set(std::string_view name, std::string_view value) &
{
  if (name.empty() || name.find('=') != name.npos || name.find('\0') != name.npos)
    throw std::invalid_argument("cohort: bad name of an environment variable");
  if (value.find('\0') != value.npos)
    throw std::invalid_argument("cohort: NUL byte in an environment variable");
  values_.insert_or_assign(std::string(name), std::string(value));
  return *this;
}

inline environment environment::set(std::string_view name, std::string_view value) &&
{
  set(name, value);
  return std::move(*this);
}

} // namespace cohort
