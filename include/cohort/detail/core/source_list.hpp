// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/accept_source.hpp>

#include <algorithm>
#include <memory>
#include <system_error>
#include <vector>

namespace cohort::detail {

/// All sources of a worker that still exist: their acceptors and connections own them.
class source_list {
public:
  void add(const std::shared_ptr<accept_source>& source)
  {
    std::erase_if(all_, [](const auto& each) { return each.expired(); });
    all_.push_back(source);
  }

  /// Whether a connection of any of them lives.
  bool any_live() const noexcept
  {
    return std::ranges::any_of(all_, [](const auto& each) {
      const auto source = each.lock();
      return source && source->live() != 0;
    });
  }

  void close(std::error_code reason)
  {
    for (const auto& each : std::vector(all_))
      if (const auto source = each.lock()) source->close(reason);
  }

private:
  std::vector<std::weak_ptr<accept_source>> all_;
};

} // namespace cohort::detail
