// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Sending when memory runs out, at every allocation of it.

#include "support/failing_system_calls.hpp"

#include <cohort/message_channel.hpp>

#include "support/failing_allocations.hpp"
#include "support/message_pair.hpp"
#include "support/scratch.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace message_memory_faults {

using namespace cohort_test;

namespace {

// The last one: while the kernel has no memory either.
enum class how { plain, operation, request, starved };

// What became of one send.
struct outcome_of_send {
  bool failed = false; // That allocation was reached.
  bool thrown = false;
  bool sent = false;
};

// A message is sent while its n-th allocation fails. `warm`: not the first one of its channel.
outcome_of_send send_with_failure(how sending, unsigned n, std::size_t size, bool warm)
{
  outcome_of_send outcome;
  message_pair pair;
  const auto pipe = make_pipe();
  if (warm) {
    pair.left->send(make_note(100));
    CHECK(pair.next(*pair.right).good());
  }
  const std::size_t descriptors = count_descriptors();
  {
    cohort::handle attached = pipe[0].duplicate();
    const int number = attached.native_handle();
    completion<> operation;
    completion<verdict> reply;
    note message = make_note(1, std::string(size, 'x'));
    auto operation_handler = operation.handler();
    auto reply_handler = reply.handler();
    faults faults;
    if (sending == how::starved) faults.fail(call::sendmsg, 1, ENOBUFS, 2);
    outcome.failed = with_failing(n, [&] {
      try {
        if (sending == how::operation) {
          pair.left->send(std::move(message), operation_handler);
        } else if (sending == how::request) {
          pair.left->request<verdict>(numbered<question>(1), reply_handler);
        } else {
          outcome.sent = is_sent(pair.left->send(std::move(message), std::move(attached)));
        }
      } catch (const std::bad_alloc&) {
        outcome.thrown = true;
      }
    });
    // Either it is the sender's, or it has gone with the message or the stream.
    if (attached) CHECK(attached.native_handle() == number);
    if (outcome.sent) CHECK_FALSE(attached);

    // Everything that is waited for ends.
    completion<> flushed;
    pair.left->flushed(flushed.handler());
    CHECK(pair.until([&] { return flushed.done(); }));
    CHECK(flushed.times == 1);
    if (sending == how::operation && !outcome.thrown) {
      CHECK(pair.until([&] { return operation.done(); }));
      outcome.sent = operation.good();
      if (operation.error)
        CHECK((operation.error == std::errc::not_enough_memory ||
               operation.error == cohort::error::disconnected));
    }

    // The other side gets it, or the next one, or learns the end.
    cohort::send_status after = cohort::send_status::not_connected;
    after = pair.left->send(make_note(2));
    CHECK((flushed.error || is_sent(after)));
    completion<test_envelope> got;
    if (sending != how::request) {
      got = pair.next(*pair.right);
      REQUIRE(got.done());
      if (outcome.sent) {
        REQUIRE(got.good());
        CHECK(std::get<note>(got.value.message).number == 1);
        CHECK(got.value.handles.size() == (sending == how::operation ? 0 : 1));
      } else if (got.good()) {
        // What is told not to be queued is not sent; memory for the wait may lack after that.
        const std::uint32_t arrived = std::get<note>(got.value.message).number;
        CHECK((arrived == 2 || (sending == how::operation && outcome.thrown)));
      } else {
        CHECK(got.error == cohort::error::disconnected);
        CHECK_FALSE(is_sent(after));
      }
    } else {
      pair.right->finish();
      if (!outcome.thrown) CHECK(pair.until([&] { return reply.done(); }));
    }
  }
  CHECK(count_descriptors() == descriptors);
  return outcome;
}

} // namespace

TEST_CASE("memory runs out while a message is sent: who waits is told, and no handle is lost")
{
  for (const how sending : {how::plain, how::operation, how::request, how::starved}) {
    for (const std::size_t size : {10u, 5'000u, 100'000u}) {
      for (const bool warm : {false, true}) {
        unsigned n = 1;
        for (;; ++n) {
          CAPTURE(static_cast<int>(sending));
          CAPTURE(size);
          CAPTURE(warm);
          CAPTURE(n);
          const outcome_of_send outcome = send_with_failure(sending, n, size, warm);
          if (!outcome.failed) break;
          REQUIRE(n < 50);
        }
        CHECK(n > 1);
      }
    }
  }
}

} // namespace message_memory_faults
