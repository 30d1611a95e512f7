// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/request_table.hpp>

#include <doctest/doctest.h>

#include "support/event_loop.hpp"
#include "support/test_messages.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace request_table_test {

using namespace cohort_test;
using namespace std::chrono_literals;
namespace wire = cohort::detail::wire;
using cohort::detail::request_table;
using duration = request_table::clock::duration;

namespace {

using answer_type = cohort::detail::pending_request_for<verdict, cohort::binary_codec>;

// A request that notes how it ends.
struct noted_request final : cohort::detail::pending_request {
  noted_request(std::string name, std::vector<std::string>& notes)
      : name_(std::move(name)),
        notes_(notes)
  {
  }
  ~noted_request() override
  {
    if (!ended_) notes_.push_back(name_ + " dropped");
  }

  void replied(const wire::message_view&, cohort::decode_error&) override { end("replied"); }
  void fail(std::error_code error) override
  {
    end(error == cohort::error::timed_out ? "timed out" : "failed");
    if (when_failed) when_failed();
  }
  void cancel() { abandon(); }

  std::function<void()> when_failed;

private:
  void end(const char* how)
  {
    ended_ = true;
    notes_.push_back(name_ + ' ' + how);
  }

  std::string name_;
  std::vector<std::string>& notes_;
  bool ended_ = false;
};

using strings = std::vector<std::string>;

struct fixture {
  asio::io_context context{1};
  strings notes;
  // Each request takes 100 bytes of the stream.
  std::uint64_t sent = 0;
  // What keeps the table, as a channel does.
  std::shared_ptr<request_table> table = std::make_shared<request_table>(context.get_executor());

  ~fixture()
  {
    table->fail_all(cohort::error::disconnected);
    // Nothing of it keeps the context busy.
    context.restart();
    context.run();
    CHECK(table.use_count() == 1);
  }

  noted_request& add(const std::string& name, std::optional<duration> deadline = std::nullopt)
  {
    auto request = std::make_unique<noted_request>(name, notes);
    noted_request& added = *request;
    sent += 100;
    table->add(std::move(request), sent, deadline, table);
    return added;
  }

  bool until_notes(std::size_t count)
  {
    return run_until(context, [&] { return notes.size() >= count; });
  }
};

// Lets time pass in which no handler runs.
void pass(duration time)
{
  const auto end = request_table::clock::now() + time;
  while (request_table::clock::now() < end) std::this_thread::yield();
}

// A reply as it arrives.
struct arrived {
  std::vector<std::byte> bytes;
  wire::message_view view;

  template <class Message>
  explicit arrived(const Message& message)
  {
    cohort::byte_sink sink;
    cohort::binary_codec::encode(message, sink);
    bytes = sink.bytes();
    view.kind = wire::message_kind::reply;
    view.type = {cohort::message_id<Message>(), cohort::binary_codec::schema<Message>()};
    view.body = bytes;
  }
};

} // namespace

TEST_CASE("requests that were not sent to their end fail when the stream does, and only they")
{
  fixture f;
  f.add("sent");
  f.add("begun", 1h);
  f.add("queued");
  f.table->fail_unsent(250, cohort::error::disconnected);
  CHECK(f.notes.size() == 1);
  CHECK(f.table->size() == 2);
  f.table->fail_unsent(199, cohort::error::disconnected);
  CHECK(f.notes.size() == 2);
  CHECK(f.table->take(1));
  CHECK_FALSE(f.table->waiting());
  f.table->fail_unsent(0, cohort::error::disconnected);
}

TEST_CASE("requests are numbered, and each is given to its answer once")
{
  fixture f;
  CHECK_FALSE(f.table->waiting());
  CHECK(f.table->next_number() == 1);
  noted_request* const first = &f.add("first");
  CHECK(f.table->next_number() == 2);
  noted_request* const second = &f.add("second");
  CHECK(f.table->waiting());
  CHECK(f.table->size() == 2);
  CHECK(f.table->take(0) == nullptr);
  CHECK(f.table->take(3) == nullptr);
  CHECK(f.table->take(2).get() == second);
  CHECK(f.table->take(2) == nullptr);
  CHECK(f.table->take(1).get() == first);
  CHECK(f.table->size() == 0);
  CHECK_FALSE(f.table->waiting());
  CHECK(f.table->next_number() == 3);
}

TEST_CASE("deadlines pass in their own order, and only those that are due")
{
  fixture f;
  f.add("last", 1h);
  f.add("third", 30ms);
  f.add("first", 1ms);
  f.add("none");
  f.add("second", 15ms);
  CHECK(f.until_notes(3));
  CHECK(f.notes == strings{"first timed out", "second timed out", "third timed out"});
  CHECK(f.table->size() == 2);
}

TEST_CASE("a deadline that has passed already ends the request, but not inside the call")
{
  fixture f;
  f.add("now", 0ms);
  f.add("before", -1h);
  CHECK(f.notes.empty());
  CHECK(f.until_notes(2));
  CHECK(f.notes == strings{"before timed out", "now timed out"});
}

TEST_CASE("a deadline that the clock cannot tell is none")
{
  fixture f;
  f.add("never", duration::max());
  f.add("hardly ever", duration::max() - 1s);
  f.add("soon", 1ms);
  CHECK(f.until_notes(1));
  run_ready(f.context);
  CHECK(f.notes == strings{"soon timed out"});
}

TEST_CASE("an answer that comes after the deadline finds nobody")
{
  fixture f;
  f.add("late", 1ms);
  CHECK(f.until_notes(1));
  CHECK(f.table->take(1) == nullptr);
  CHECK(f.table->size() == 0);
}

TEST_CASE("an answer that comes after the deadline and before its timer is too late, once")
{
  fixture f;
  f.add("late", 1ms);
  f.add("in time", 1h);
  f.add("none");
  pass(2ms);
  CHECK(f.notes.empty());
  CHECK(f.table->take_answered(1) == nullptr);
  CHECK(f.notes == strings{"late timed out"});
  CHECK(f.table->take_answered(1) == nullptr);
  CHECK(f.table->take_answered(2) != nullptr);
  CHECK(f.table->take_answered(3) != nullptr);
  CHECK_FALSE(f.table->waiting());
  CHECK(f.until_notes(3));
  run_ready(f.context);
  CHECK(f.notes == strings{"late timed out", "in time dropped", "none dropped"});
}

TEST_CASE("who is cancelled after the deadline and before its timer was cancelled")
{
  fixture f;
  noted_request& cancelled = f.add("cancelled", 1ms);
  pass(2ms);
  cancelled.cancel();
  CHECK(f.notes == strings{"cancelled dropped"});
}

TEST_CASE("a deadline after the answer finds nobody, and when none waits nothing waits for it")
{
  fixture f;
  f.add("answered", 1h);
  f.add("answered too", 1ms);
  f.add("another", 20ms);
  CHECK(f.table->take(2) != nullptr);
  CHECK(f.until_notes(2));
  CHECK(f.notes == strings{"answered too dropped", "another timed out"});
  CHECK(f.table->take(1) != nullptr);
  f.context.restart();
  f.context.run();
  CHECK(f.notes == strings{"answered too dropped", "another timed out", "answered dropped"});
}

TEST_CASE("a deadline is kept after all requests before it were answered")
{
  fixture f;
  f.add("first", 1h);
  CHECK(f.table->take(1));
  f.add("second", 1ms);
  CHECK(f.until_notes(2));
  CHECK(f.notes == strings{"first dropped", "second timed out"});
}

TEST_CASE("requests may be added and taken while others time out")
{
  fixture f;
  f.add("first", 1ms).when_failed = [&] {
    f.add("again", 20ms);
    f.add("at once", -1h);
    CHECK(f.table->take(2));
  };
  f.add("second", 1ms);
  CHECK(f.until_notes(4));
  CHECK(f.notes ==
        strings{"first timed out", "second dropped", "at once timed out", "again timed out"});
}

TEST_CASE("all fail together in the order they were made, deadline or not")
{
  fixture f;
  f.add("first", 1h);
  f.add("second");
  f.add("third", 1ms);
  f.table->fail_all(cohort::error::disconnected);
  CHECK(f.notes == strings{"first failed", "second failed", "third failed"});
  CHECK_FALSE(f.table->waiting());
  f.table->fail_all(cohort::error::disconnected);
  f.context.run();
  CHECK(f.notes.size() == 3);
}

TEST_CASE("a request that is made while all fail is not one of them")
{
  fixture f;
  f.add("first").when_failed = [&] { f.add("next", 1ms); };
  f.add("second");
  f.table->fail_all(cohort::error::disconnected);
  CHECK(f.notes == strings{"first failed", "second failed"});
  CHECK(f.table->take(1) == nullptr);
  CHECK(f.until_notes(3));
  CHECK(f.notes[2] == "next timed out");
}

TEST_CASE("who was cancelled is forgotten, and with it its deadline")
{
  fixture f;
  noted_request& first = f.add("first", 1h);
  f.add("second", 1ms);
  f.add("third", 2h);
  first.cancel();
  CHECK(f.notes == strings{"first dropped"});
  CHECK(f.table->size() == 2);
  CHECK_FALSE(f.table->take(1));
  CHECK(f.until_notes(2));
  CHECK(f.notes[1] == "second timed out");
  CHECK(f.table->take(3));
  CHECK_FALSE(f.table->waiting());
  run_ready(f.context);
  CHECK(f.context.stopped());
}

TEST_CASE("a deadline keeps its owner until it has passed")
{
  asio::io_context context(1);
  strings notes;
  auto owner = std::make_shared<request_table>(context.get_executor());
  const std::weak_ptr<request_table> watched = owner;
  owner->add(std::make_unique<noted_request>("only", notes), 1, 1ms, owner);
  owner.reset();
  CHECK_FALSE(watched.expired());
  context.run();
  CHECK(notes == strings{"only timed out"});
  CHECK(watched.expired());
}

TEST_CASE("a reply completes its request later, with the value")
{
  asio::io_context context(1);
  completion<verdict> got;
  answer_type asked(context.get_executor(), got.handler());
  cohort::decode_error problem;
  asked.replied(arrived(numbered<verdict>(7)).view, problem);
  CHECK_FALSE(got.done());
  asked.fail(cohort::error::timed_out);
  context.run();
  CHECK(got.good());
  CHECK(got.value.number == 7);
  CHECK_FALSE(problem.code);
}

TEST_CASE("a reply that is none fails its request, and is a problem unless the peer said so")
{
  struct wrong {
    std::error_code result, problem;
    arrived reply;
  };
  std::vector<wrong> all;
  const auto good = numbered<verdict>(7);
  all.push_back({cohort::error::request_failed, {}, arrived(good)});
  all.back().reply.view.kind = wire::message_kind::failure;
  all.push_back(
      {cohort::error::unknown_message, cohort::error::unknown_message, arrived(question())});
  all.push_back({cohort::error::schema_mismatch, cohort::error::schema_mismatch, arrived(good)});
  ++all.back().reply.view.type.schema;
  all.push_back({cohort::error::invalid_message, cohort::error::invalid_message, arrived(good)});
  auto& body = all.back().reply.view.body;
  body = body.first(body.size() - 1);
  for (wrong& each : all) {
    asio::io_context context(1);
    completion<verdict> got;
    answer_type asked(context.get_executor(), got.handler());
    cohort::decode_error problem;
    asked.replied(each.reply.view, problem);
    CHECK(problem.code == each.problem);
    context.run();
    CHECK(got.times == 1);
    CHECK(got.error == each.result);
    CHECK(got.value.number == 0);
  }
}

TEST_CASE("a cancelled request leaves its table at once, and keeps no context waiting")
{
  asio::io_context context(1);
  asio::cancellation_signal cancel;
  completion<verdict> got;
  const auto table = std::make_shared<request_table>(context.get_executor());
  table->add(std::make_unique<answer_type>(context.get_executor(),
                 asio::bind_cancellation_slot(cancel.slot(), got.handler())),
      1, 1h, table);
  CHECK(table->waiting());
  cancel.emit(asio::cancellation_type::terminal);
  CHECK_FALSE(table->waiting());
  CHECK_FALSE(table->take(1));
  run_ready(context);
  CHECK(context.stopped());
  CHECK(got.times == 1);
  CHECK(got.error == asio::error::operation_aborted);
  CHECK(table.use_count() == 1);
}

TEST_CASE("a request that is dropped without an answer is aborted")
{
  asio::io_context context(1);
  completion<verdict> got;
  {
    answer_type asked(context.get_executor(), got.handler());
  }
  context.run();
  CHECK(got.times == 1);
  CHECK(got.error == asio::error::operation_aborted);
}

} // namespace request_table_test
