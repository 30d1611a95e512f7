// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/envelope.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace envelope_test {

TEST_CASE("an envelope calls the function for the type of its message")
{
  cohort::envelope<std::variant<int, std::string>> envelope;
  CHECK(envelope.worker == 0);
  CHECK_FALSE(envelope.handles_lost);
  const auto number = [](int n) { return n + 1; };
  const auto text = [](const std::string& s) { return static_cast<int>(s.size()); };
  envelope.message = 41;
  CHECK(envelope.visit(number, text) == 42);
  envelope.message = "four";
  CHECK(envelope.visit(number, text) == 4);
  CHECK(envelope.visit([](const auto&) { return 7; }) == 7);
  // What it holds can be changed and moved out.
  std::string out;
  envelope.visit([](int) {}, [&out](std::string& s) { out = std::move(s); });
  CHECK(out == "four");
}

TEST_CASE("an envelope of one type is the message itself")
{
  cohort::envelope<std::unique_ptr<int>> envelope;
  envelope.message = std::make_unique<int>(3);
  const auto moved = std::move(envelope);
  CHECK(*moved.message == 3);
}

} // namespace envelope_test
