// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_operation.hpp>

#include <asio/any_io_executor.hpp>

#include <system_error>
#include <utility>

namespace cohort::detail {

/// Completes `handler` with a result that is there already, but not before the caller returns.
template <class... Args, class Handler>
void complete_later(
    const asio::any_io_executor& executor, Handler handler, std::error_code error, Args... args)
{
  wait_operation_for<Handler, Args...>::create(std::move(handler), executor)
      ->complete(error, std::move(args)...);
}

} // namespace cohort::detail
