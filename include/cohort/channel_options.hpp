// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace cohort {

/// The bounds of a message channel, in bytes. Both sides may have their own.
class channel_options {
public:
  /// What each handle counts as, in addition to the bytes of its message: a process has few places
  /// for descriptors.
  static constexpr std::size_t handle_weight = 4096;

  channel_options() = default;

  /// The largest message, as encoded, that is sent or taken; at most 8 bytes less than 4 GiB. A
  /// peer that sends a larger one breaks the protocol, and the channel ends: where both differ,
  /// the sender's must not be the larger one. Default: 16 MiB.
  channel_options& max_message_size(std::uint32_t value) &
  {
    // With its type and layout its size has to fit into the frame's 32 bits.
    max_message_size_ = std::min(value, std::numeric_limits<std::uint32_t>::max() - 8);
    return *this;
  }
  channel_options max_message_size(std::uint32_t value) && { return max_message_size(value); }

  /// When more than this waits to be written, `send` says `congested`; when more than this has been
  /// read and not received, nothing more is read. Each handle counts as 4 KiB, in both directions.
  /// Default: 1 MiB.
  channel_options& high_water(std::size_t value) &
  {
    high_water_ = value;
    return *this;
  }
  channel_options high_water(std::size_t value) && { return high_water(value); }

  /// The most that waits to be written; handles count likewise. Default: 64 MiB.
  channel_options& queue_limit(std::size_t value) &
  {
    queue_limit_ = value;
    return *this;
  }
  channel_options queue_limit(std::size_t value) && { return queue_limit(value); }

  std::uint32_t max_message_size() const noexcept { return max_message_size_; }
  std::size_t high_water() const noexcept { return high_water_; }
  std::size_t queue_limit() const noexcept { return queue_limit_; }

private:
  std::uint32_t max_message_size_ = 16 * 1024 * 1024;
  std::size_t high_water_ = 1024 * 1024;
  std::size_t queue_limit_ = 64 * 1024 * 1024;
};

} // namespace cohort
