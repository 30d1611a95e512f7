// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_operation.hpp>
#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/event.hpp>
#include <cohort/reload_options.hpp>
#include <cohort/reload_result.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// Reloads several groups beside one another, as one operation. It lives as long as one is under
/// way.
class reload_of_groups final : public std::enable_shared_from_this<reload_of_groups>,
                               private wait_list_owner {
public:
  using results = std::vector<reload_event>;
  using groups = std::vector<std::shared_ptr<supervised_group>>;

  explicit reload_of_groups(const asio::any_io_executor& executor) : waiting_(executor, this) {}

  /// `handler(std::error_code, results)` when all are over.
  template <class Handler>
  void start(Handler&& handler, const groups& all, const reload_options& how);

private:
  void wait_cancelled() override
  {
    // Each of them rolls back.
    for (asio::cancellation_signal& each : signals_) each.emit(asio::cancellation_type::total);
  }
  void one_is_over(std::size_t index, std::error_code error, const reload_result& result);

  wait_queue<results> waiting_;
  std::deque<asio::cancellation_signal> signals_;
  results results_;
  std::size_t open_ = 0;
  std::error_code error_;
};

// Implementation

template <class Handler>
void reload_of_groups::start(Handler&& handler, const groups& all, const reload_options& how)
{
  waiting_.add(std::forward<Handler>(handler));
  open_ = all.size();
  if (open_ == 0) return waiting_.complete_all(std::error_code(), results_);
  for (const auto& each : all) {
    const std::size_t index = results_.size();
    results_.emplace_back().group = each->description().name();
    auto ended = [self = shared_from_this(), index](std::error_code error,
                     const reload_result& result) { self->one_is_over(index, error, result); };
    each->reload(
        asio::bind_cancellation_slot(signals_.emplace_back().slot(), std::move(ended)), how);
  }
}

inline void reload_of_groups::one_is_over(
    std::size_t index, std::error_code error, const reload_result& result)
{
  results_[index].result = result;
  if (error && !error_) error_ = error;
  if (--open_ == 0) waiting_.complete_all(error_, results_);
}

} // namespace cohort::detail
