// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/session_core.hpp>

#include "support/captured_errors.hpp"
#include "support/event_loop.hpp"

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

namespace session_core_test {

using namespace std::chrono_literals;
using cohort::drain_steps;
using cohort::detail::session_core;
using cohort::detail::session_entry;
using cohort_test::run_until;

namespace {

/// A session without a connection that notes what happens to it: its letter and p, t, T or c.
class noted_session final : public session_entry {
public:
  noted_session(std::shared_ptr<session_core> core, char name, std::string& notes)
      : session_entry(std::move(core)),
        name_(name),
        notes_(notes)
  {
    slot().assign([this](asio::cancellation_type type) {
      if (type == asio::cancellation_type::partial) note('p');
      if (type == asio::cancellation_type::total) note('t');
      if (type == asio::cancellation_type::terminal) note('T');
    });
  }

  bool has_input() noexcept override { return input; }
  void close() noexcept override { note('c'); }

  bool input = false;

private:
  void note(char what)
  {
    notes_ += name_;
    notes_ += what;
    notes_ += ' ';
  }

  char name_;
  std::string& notes_;
};

struct scope {
  explicit scope(const drain_steps& steps = drain_steps())
      : core(std::make_shared<session_core>(context.get_executor(), steps))
  {
  }
  ~scope() { core->abandon(); }

  std::shared_ptr<noted_session> add(char name)
  {
    return std::make_shared<noted_session>(core, name, notes);
  }

  // Runs until these notes have been taken; what follows them may be there already.
  void expect(const std::string& expected)
  {
    run_until(context, [&] { return notes.size() >= expected.size(); });
    CHECK(notes.substr(0, expected.size()) == expected);
    notes.erase(0, expected.size());
  }

  asio::io_context context{1};
  std::string notes;
  std::shared_ptr<session_core> core;
};

// Steps of which only the graces come soon.
drain_steps graces() { return drain_steps().idle_grace(5ms).fresh_grace(20ms).deadline(1h); }

} // namespace

TEST_CASE("all that remain climb the steps together")
{
  scope test(drain_steps().deadline(30ms));
  const auto a = test.add('a');
  const auto b = test.add('b');
  CHECK(test.core->size() == 2);
  CHECK_FALSE(test.core->closing());
  CHECK(test.core->admits());
  test.core->drain();
  CHECK(test.core->closing());
  CHECK(test.core->admits());
  test.expect("at bt ");
  CHECK_FALSE(test.core->admits());
  test.expect("aT bT ");
  b->over(nullptr);
  test.expect("bc ");
  test.expect("ac ");
  CHECK(test.core->size() == 1);
}

TEST_CASE("who is idle is cancelled after a grace, one that is fresh after its own")
{
  scope test(graces());
  const auto busy = test.add('b');
  const auto fresh = test.add('f');
  const auto idle = test.add('i');
  fresh->begin_idle();
  idle->begin_idle();
  idle->end_idle();
  idle->begin_idle();
  test.core->drain();
  test.expect("ip ");
  test.expect("fp ");
}

TEST_CASE("a request that comes within the grace keeps its connection")
{
  scope test(graces());
  const auto idle = test.add('i');
  const auto quick = test.add('q');
  const auto read = test.add('r');
  for (const auto& each : {idle, quick, read}) {
    each->begin_idle();
    each->end_idle();
    each->begin_idle();
  }
  test.core->drain();
  quick->end_idle();
  // Its coroutine has not had its turn yet.
  read->input = true;
  test.expect("ip ");
}

TEST_CASE("who becomes idle in the drain has the whole grace")
{
  scope test(graces());
  const auto one = test.add('1');
  const auto two = test.add('2');
  two->begin_idle();
  two->end_idle();
  two->begin_idle();
  test.core->drain();
  one->begin_idle();
  one->end_idle();
  test.expect("2p ");
  const auto begin = session_core::clock::now();
  one->begin_idle();
  test.expect("1p ");
  CHECK(session_core::clock::now() - begin >= 5ms);
  // Cancelled in vain, and again.
  one->end_idle();
  one->begin_idle();
  test.expect("1p ");
}

TEST_CASE("who waits for the end is told when the drain has begun and the last one is over")
{
  scope test;
  cohort_test::completion<> ended;
  test.core->add_ended(ended.handler());
  auto a = test.add('a');
  a->over(nullptr);
  a.reset();
  cohort_test::run_ready(test.context);
  CHECK_FALSE(ended.done());
  auto b = test.add('b');
  test.core->drain();
  cohort_test::run_ready(test.context);
  CHECK_FALSE(ended.done());
  b->over(nullptr);
  // Nothing more is waited for: the context ends by itself.
  test.context.restart();
  test.context.run();
  CHECK(ended.good());
  cohort_test::completion<> again;
  test.core->add_ended(again.handler());
  cohort_test::run_ready(test.context);
  CHECK(again.good());
}

TEST_CASE("a scope that is abandoned cancels and closes all, and nobody waits for it any more")
{
  scope test;
  const auto a = test.add('a');
  a->begin_idle();
  cohort_test::completion<> ended;
  test.core->add_ended(ended.handler());
  test.core->abandon();
  CHECK(test.notes == "aT ac ");
  CHECK(test.core->closing());
  CHECK_FALSE(test.core->admits());
  test.context.run();
  CHECK(ended.error == asio::error::operation_aborted);
  // What it does afterwards reaches nobody.
  a->end_idle();
  a->begin_idle();
  test.core->drain();
  test.context.restart();
  CHECK(test.context.run_for(1ms) == 0);
}

TEST_CASE("an exception is reported unless connections end that way")
{
  scope test;
  int reported = 0;
  test.core->on_failure = [&](std::exception_ptr) { ++reported; };
  const auto end = [&](auto error) { test.add('x')->over(std::make_exception_ptr(error)); };
  for (const asio::error::basic_errors each :
      {asio::error::operation_aborted, asio::error::connection_reset,
          asio::error::connection_aborted, asio::error::broken_pipe, asio::error::not_connected,
          asio::error::timed_out, asio::error::host_unreachable, asio::error::network_unreachable})
    end(std::system_error(asio::error::make_error_code(each)));
  end(std::system_error(asio::error::eof));
  CHECK(reported == 0);
  end(std::runtime_error("something"));
  end(std::system_error(asio::error::no_memory));
  end(std::system_error(asio::error::bad_descriptor));
  end(7);
  CHECK(reported == 4);
  test.core->on_failure = nullptr;
  cohort_test::captured_errors errors;
  end(std::runtime_error("something"));
  CHECK(errors.text() == "cohort: connection: something\n");
}

TEST_CASE("that a socket was closed under its coroutine is nobody's fault after the deadline")
{
  scope test(drain_steps().deadline(0s));
  int reported = 0;
  test.core->on_failure = [&](std::exception_ptr) { ++reported; };
  const auto a = test.add('a');
  test.core->drain();
  test.expect("at aT ac ");
  a->over(std::make_exception_ptr(std::system_error(asio::error::bad_descriptor)));
  CHECK(reported == 0);
  const auto b = test.add('b');
  b->over(std::make_exception_ptr(std::runtime_error("something")));
  CHECK(reported == 1);
}

} // namespace session_core_test
