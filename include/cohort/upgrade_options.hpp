// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/environment.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cohort {

/// How a program is replaced by a newer one.
class upgrade_options {
public:
  using duration = std::chrono::steady_clock::duration;

  upgrade_options() = default;

  /// The new program, by its path: PATH is not searched, and a relative one counts from the current
  /// directory. Default: the path by which this one was executed, whatever is there by now;
  /// symbolic links in it are followed anew.
  upgrade_options& program(std::string path) &
  {
    program_ = std::move(path);
    return *this;
  }
  upgrade_options program(std::string path) && { return std::move(program(std::move(path))); }

  /// Its arguments, its own name left out. Default: those of this program.
  upgrade_options& args(std::vector<std::string> values) &
  {
    args_ = std::move(values);
    return *this;
  }
  upgrade_options args(std::vector<std::string> values) &&
  {
    return std::move(args(std::move(values)));
  }

  /// Laid over the environment that this program has. Default: nothing.
  upgrade_options& env(environment value) &
  {
    env_ = std::move(value);
    return *this;
  }
  upgrade_options env(environment value) && { return std::move(env(std::move(value))); }

  /// How long it may take until all its groups are ready, and the service manager has heard of it;
  /// then it is ended, and this program goes
  /// on. Default: 60 seconds.
  /// @throws std::invalid_argument when it is not above 0.
  upgrade_options& ready_deadline(duration value) &
  {
    if (value <= duration::zero())
      throw std::invalid_argument("cohort: no time to be ready after an upgrade");
    ready_deadline_ = value;
    return *this;
  }
  upgrade_options ready_deadline(duration value) && { return std::move(ready_deadline(value)); }

  /// How long the workers of this program may take to drain when the new one has taken over, and
  /// those of a new one that has failed between SIGTERM and SIGKILL. Default: 30 seconds.
  upgrade_options& drain_deadline(duration value) &
  {
    drain_deadline_ = value;
    return *this;
  }
  upgrade_options drain_deadline(duration value) && { return std::move(drain_deadline(value)); }

  const std::optional<std::string>& program() const noexcept { return program_; }
  const std::optional<std::vector<std::string>>& args() const noexcept { return args_; }
  const environment& env() const noexcept { return env_; }
  duration ready_deadline() const noexcept { return ready_deadline_; }
  duration drain_deadline() const noexcept { return drain_deadline_; }

private:
  std::optional<std::string> program_;
  std::optional<std::vector<std::string>> args_;
  environment env_;
  duration ready_deadline_ = std::chrono::seconds(60);
  duration drain_deadline_ = std::chrono::seconds(30);
};

} // namespace cohort
