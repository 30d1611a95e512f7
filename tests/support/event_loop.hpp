// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/time_factor.hpp"

#include <asio/io_context.hpp>

#include <chrono>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cohort_test {

/// What an operation gave.
template <class T = int>
struct completion {
  int times = 0;
  std::error_code error;
  T value{};

  bool done() const noexcept { return times != 0; }
  bool good() const noexcept { return times == 1 && !error; }

  auto handler()
  {
    if constexpr (std::is_same_v<T, int>)
      return [this](std::error_code e) {
        ++times;
        error = e;
      };
    else
      return [this](std::error_code e, T v) {
        ++times;
        error = e;
        value = std::move(v);
      };
  }
};

/// Runs handlers until `done()`, at most 10 seconds.
template <class Done>
bool run_until(asio::io_context& context, Done done)
{
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10) * time_factor();
  while (!done()) {
    context.restart();
    if (context.run_one_until(deadline) == 0) return done();
  }
  return true;
}

/// Runs what is ready, without waiting.
inline void run_ready(asio::io_context& context)
{
  context.restart();
  context.poll();
}

} // namespace cohort_test
