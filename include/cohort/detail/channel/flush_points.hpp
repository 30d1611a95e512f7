// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_queue.hpp>

#include <asio/any_io_executor.hpp>

#include <cstdint>
#include <map>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// Handlers that wait until a stream is written up to some position.
class flush_points {
public:
  explicit flush_points(const asio::any_io_executor& executor) : executor_(executor) {}

  bool empty() const noexcept { return points_.empty(); }

  /// Adds a completion handler with signature `void(std::error_code)`.
  template <class Handler>
  void add(std::uint64_t position, Handler&& handler)
  {
    points_.try_emplace(position, executor_).first->second.add(std::forward<Handler>(handler));
  }

  /// The stream is written up to here.
  void reached(std::uint64_t position)
  {
    while (!points_.empty() && points_.begin()->first <= position) {
      auto point = points_.extract(points_.begin());
      point.mapped().complete_all(std::error_code());
    }
  }

  /// It gets no further.
  void fail(std::error_code error)
  {
    for (auto& [position, waiting] : std::exchange(points_, {})) waiting.complete_all(error);
  }

private:
  asio::any_io_executor executor_;
  std::map<std::uint64_t, wait_queue<>> points_;
};

} // namespace cohort::detail
