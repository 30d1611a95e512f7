// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/process.hpp>

#include <asio/any_io_executor.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <system_error>
#include <utility>

namespace cohort_test {

/// A process that does nothing until a signal ends it, which `on_exit(exit_status)` tells.
inline std::shared_ptr<cohort::detail::process> start_sleeping(
    const asio::any_io_executor& executor, cohort::detail::process::exit_handler on_exit)
{
  cohort::detail::posix::child_options options;
  options.path = "/bin/sleep";
  options.argv = {"sleep", "1000"};
  std::error_code error;
  auto started = cohort::detail::process::start(executor, options, std::move(on_exit), error);
  REQUIRE_MESSAGE(!error, error.message());
  return started;
}

} // namespace cohort_test
