// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/async/after_events.hpp>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <system_error>

namespace after_events_test {

TEST_CASE("what follows events is called after a signal that came before, whoever was first to ask")
{
  asio::io_context context(1);
  asio::signal_set signals(context, SIGUSR2);
  std::string said;
  signals.async_wait([&](std::error_code, int) { said += "signal "; });
  // From a handler, as events are handled.
  asio::post(context, [&] {
    ::raise(SIGUSR2);
    cohort::detail::after_events(context.get_executor(), [&] { said += "after"; });
  });
  context.run();
  CHECK(said == "signal after");
}

} // namespace after_events_test
