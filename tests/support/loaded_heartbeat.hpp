// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/busy_processors.hpp"
#include "support/client.hpp"
#include "support/kept_port.hpp"
#include "support/supervisor_fixture.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <functional>
#include <string>
#include <system_error>

namespace cohort_test {

/// Has healthy workers serve for `time` while other processes want all processors, and expects that
/// none of them is taken for one that hangs.
/// @return how often one was not heard for an interval and a half, which may happen.
inline unsigned expect_no_false_kill(
    std::chrono::milliseconds interval, unsigned misses, std::chrono::seconds time)
{
  using namespace std::chrono_literals;
  const busy_processors busy;
  CHECK(busy.size() >= 2);
  kept_port port;
  supervisor_fixture test;
  test.master().add(test.server_group("web", 2, port).heartbeat(interval, misses));
  unsigned stalls = 0, exits = 0;
  auto events = test.master().subscribe<cohort::stalled_event, cohort::exit_event>();
  std::function<void()> count = [&] {
    events.next([&](std::error_code error, const auto& event) {
      if (error) return;
      ++(event.index() == 0 ? stalls : exits);
      count();
    });
  };
  count();
  test.begin();
  auto body = [&]() -> awaitable<void> {
    co_await test.serving("web", 2);
    const auto until = std::chrono::steady_clock::now() + time;
    unsigned answers = 0;
    auto ask = [&] {
      while (std::chrono::steady_clock::now() < until) {
        client one;
        std::string line;
        if (one.connect(address::tcp4(port.number())) != outcome::ok) continue;
        if (one.receive(line) == outcome::ok) ++answers;
      }
    };
    co_await test.in_thread(ask);
    CHECK(answers > 0);
    CHECK(exits == 0);
    CHECK(test.starts() == 2);
    for (const cohort::worker& each : test.master().workers("web")) CHECK_FALSE(each.is_dead());
    co_await test.end();
    test.destroy();
  };
  test.run(body, time + 20s);
  return stalls;
}

} // namespace cohort_test
