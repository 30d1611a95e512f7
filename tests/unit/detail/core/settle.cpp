// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/settle.hpp>

#include <doctest/doctest.h>

#include <string>

namespace settle_test {

using namespace cohort::detail;

namespace {

// Notes what reaches it.
struct noted_connections {
  bool received(cohort::worker_id worker, const wire::taken&) { return note(worker, "taken"); }
  bool received(cohort::worker_id worker, const wire::refused&) { return note(worker, "refused"); }
  bool received(cohort::worker_id worker, const wire::released&)
  {
    return note(worker, "released");
  }
  bool received(cohort::worker_id worker, const wire::accepted&)
  {
    return note(worker, "accepted");
  }
  bool received(cohort::worker_id worker, const wire::close&) { return note(worker, "close"); }

  bool note(cohort::worker_id worker, const char* what)
  {
    CHECK(worker == 7);
    said += (said.empty() ? "" : " ") + std::string(what);
    return fits;
  }

  std::string said;
  bool fits = true;
};

// What of everything that a worker can say is passed on.
std::string what_counts(heeded counts, bool fits = true)
{
  noted_connections to;
  to.fits = fits;
  bool all_fit = true;
  const auto say = [&](const auto& message) {
    const bool passed_on = settle(to, 7, message, counts);
    all_fit = all_fit && passed_on;
  };
  say(wire::hello());
  say(wire::listen());
  say(wire::listening());
  say(wire::close());
  say(wire::credit());
  say(wire::taken());
  say(wire::refused());
  say(wire::released());
  say(wire::accepted());
  say(wire::load());
  say(wire::leaving());
  say(wire::bye());
  CHECK(all_fit == (fits || to.said.empty()));
  return to.said;
}

} // namespace

TEST_CASE("of a worker that was cut off all that ends something for a connection counts")
{
  CHECK(what_counts(heeded::connections) == "close taken refused released accepted");
}

TEST_CASE("of a condemned worker only what it took counts, and of an ended channel nothing")
{
  CHECK(what_counts(heeded::taken) == "taken");
  CHECK(what_counts(heeded::none).empty());
}

TEST_CASE("a contradiction is told, and what does not count contradicts nothing")
{
  what_counts(heeded::connections, false);
  what_counts(heeded::taken, false);
  what_counts(heeded::none, false);
}

} // namespace settle_test
