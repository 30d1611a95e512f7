// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/control_messages.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace cohort::detail {

/// How many connections one worker has been offered and has not answered, over all its listeners:
/// one that joins another listener while it has much to answer gets no more.
class unanswered_offers {
public:
  /// Whether `count` more may be offered. When not, `answered` tells once there is room again.
  bool has_room(std::size_t count) noexcept
  {
    if (open_ + count <= wire::max_outstanding) return true;
    refused_ = true;
    return false;
  }

  void offered(std::size_t count) noexcept { open_ += count; }

  /// Answers about a listener that has ended meanwhile count as well: they were offers once.
  /// @return whether somebody was refused before, and may try again.
  bool answered(std::size_t count) noexcept
  {
    open_ -= std::min(open_, count);
    return std::exchange(refused_, false);
  }

private:
  std::size_t open_ = 0;
  bool refused_ = false;
};

} // namespace cohort::detail
