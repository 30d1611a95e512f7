// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace cohort {

/// Environment variables for a worker, on top of the primary's own. The last word on a name counts.
class environment {
public:
  environment() = default;

  /// Gives the worker the variable `name` with `value`.
  /// @throws std::invalid_argument when `name` is empty or has a '=' or either has a NUL byte.
  environment& set(std::string_view name, std::string_view value) &;
  environment set(std::string_view name, std::string_view value) &&;

  /// The worker does not have the variable `name`, although this process does.
  /// @throws std::invalid_argument as `set`.
  environment& remove(std::string_view name) &;
  environment remove(std::string_view name) &&;

  /// Lays `upper` over this: what it sets or removes counts.
  void overlay(const environment& upper);

  /// What was set, by name.
  const std::map<std::string, std::string>& values() const noexcept { return values_; }
  /// The names of what was removed.
  const std::set<std::string>& removed() const noexcept { return removed_; }

private:
  static void check_name(std::string_view name);

  std::map<std::string, std::string> values_;
  std::set<std::string> removed_;
};

// Implementation

inline void environment::check_name(std::string_view name)
{
  if (name.empty() || name.find('=') != name.npos || name.find('\0') != name.npos)
    throw std::invalid_argument("cohort: bad name of an environment variable");
}

inline environment& environment::set(std::string_view name, std::string_view value) &
{
  check_name(name);
  if (value.find('\0') != value.npos)
    throw std::invalid_argument("cohort: NUL byte in an environment variable");
  std::string key(name);
  removed_.erase(key);
  values_.insert_or_assign(std::move(key), std::string(value));
  return *this;
}

inline environment environment::set(std::string_view name, std::string_view value) &&
{
  set(name, value);
  return std::move(*this);
}

inline environment& environment::remove(std::string_view name) &
{
  check_name(name);
  std::string key(name);
  values_.erase(key);
  removed_.insert(std::move(key));
  return *this;
}

inline environment environment::remove(std::string_view name) &&
{
  remove(name);
  return std::move(*this);
}

inline void environment::overlay(const environment& upper)
{
  for (const std::string& name : upper.removed_) remove(name);
  for (const auto& [name, value] : upper.values_) set(name, value);
}

} // namespace cohort
