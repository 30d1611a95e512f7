// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/control_messages.hpp>

#include <cstdint>
#include <limits>
#include <utility>

namespace cohort::detail {

/// What a worker reports often: gathered, so that one turn of its event loop tells it once.
class progress_report {
public:
  /// How much there is to do. True: something is to be told, and nobody has begun to.
  bool load(std::uint32_t value) noexcept
  {
    return value != std::exchange(load_, value) && begin();
  }

  /// So many more requests were answered.
  bool done(std::uint32_t count) noexcept
  {
    requests_ += count;
    return count != 0 && begin();
  }

  /// Passes what has changed to `send`, as messages.
  template <class Send>
  void tell(Send&& send);

private:
  bool begin() noexcept { return !std::exchange(under_way_, true); }

  std::uint32_t load_ = 0;
  std::uint32_t told_load_ = 0;
  std::uint64_t requests_ = 0;
  bool under_way_ = false;
};

// Implementation

template <class Send>
void progress_report::tell(Send&& send)
{
  under_way_ = false;
  if (load_ != std::exchange(told_load_, load_)) {
    wire::load message;
    message.value = load_;
    send(message);
  }
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  for (std::uint64_t left = std::exchange(requests_, 0); left != 0;) {
    wire::served message;
    message.count = static_cast<std::uint32_t>(left < most ? left : most);
    left -= message.count;
    send(message);
  }
}

} // namespace cohort::detail
