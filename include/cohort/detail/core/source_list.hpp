// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <system_error>
#include <vector>

namespace cohort::detail {

/// What a drain closes, and whose connections it waits for.
class drainable {
public:
  virtual void close(std::error_code reason) = 0;
  /// How many connections live; datagrams are none.
  virtual std::size_t live() const noexcept = 0;

protected:
  ~drainable() = default;
};

/// All sources of a worker that still exist: their acceptors, connections and sockets own them.
class source_list {
public:
  void add(const std::shared_ptr<drainable>& source)
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
  std::vector<std::weak_ptr<drainable>> all_;
};

} // namespace cohort::detail
