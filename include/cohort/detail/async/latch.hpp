// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_queue.hpp>

#include <optional>
#include <tuple>

namespace cohort::detail {

/// Something that happens at most once: whoever waits before gets it when it happens, whoever
/// waits afterwards gets it at once. Many may wait.
template <class... Args>
class latch {
public:
  explicit latch(const asio::any_io_executor& executor) : waiting_(executor) {}

  bool is_set() const noexcept { return result_.has_value(); }

  /// Sets the result; only the first call counts.
  void set(std::error_code error, Args... args);

  /// The result's values; only when it is set.
  const std::tuple<std::error_code, Args...>& result() const noexcept { return *result_; }

  /// Adds a completion handler with signature `void(std::error_code, Args...)`.
  template <class Handler>
  void add(Handler&& handler);

private:
  void release();

  wait_queue<Args...> waiting_;
  std::optional<std::tuple<std::error_code, Args...>> result_;
};

// Implementation

template <class... Args>
void latch<Args...>::set(std::error_code error, Args... args)
{
  if (result_) return;
  result_.emplace(error, std::move(args)...);
  release();
}

template <class... Args>
template <class Handler>
void latch<Args...>::add(Handler&& handler)
{
  waiting_.add(std::forward<Handler>(handler));
  if (result_) release();
}

template <class... Args>
void latch<Args...>::release()
{
  std::apply([this](const auto&... values) { waiting_.complete_all(values...); }, *result_);
}

} // namespace cohort::detail
