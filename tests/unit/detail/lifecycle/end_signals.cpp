// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/end_signals.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace end_signals_test {

using cohort::detail::end_signals;
using namespace std::chrono_literals;

const end_signals::clock::time_point start{1h};

TEST_CASE("the second signal is to be obeyed at once, however soon it comes")
{
  end_signals signals;
  CHECK_FALSE(signals.is_second(start, false));
  CHECK(signals.is_second(start, false));
  CHECK(signals.is_second(start + 1h, false));
}

TEST_CASE("what is passed on in the same moment is no second signal")
{
  end_signals signals;
  CHECK_FALSE(signals.is_second(start, true));
  CHECK_FALSE(signals.is_second(start + 999ms, true));
  CHECK(signals.is_second(start + 999ms, true));
}

TEST_CASE("what comes later is a second signal, also where signals are passed on")
{
  end_signals signals;
  CHECK_FALSE(signals.is_second(start, true));
  CHECK(signals.is_second(start + 1s, true));
  CHECK(signals.is_second(start + 1s, true));
}

TEST_CASE("a signal is passed on by a program that has not given way, not by one that has")
{
  end_signals signals;
  CHECK_FALSE(signals.is_second(start, true));
  CHECK(signals.is_second(start, false));
}

} // namespace end_signals_test
