// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/incoming_messages.hpp>

#include <doctest/doctest.h>

#include "support/invented_messages.hpp"

#include <cohort/channel_options.hpp>

#include <asio/awaitable.hpp>
#include <asio/error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <variant>

namespace incoming_messages_waits_test {

using namespace cohort_test;
using cohort::channel_options;
using kind = wire::message_kind;
using fixture = invented_messages<>;

namespace {

asio::awaitable<verdict> never(question)
{
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, std::chrono::hours(1));
  co_await timer.async_wait(asio::use_awaitable);
  co_return verdict();
}

} // namespace

TEST_CASE("a request goes to no receiver, and waits until it is served")
{
  fixture f;
  completion<fixture::received> any;
  f.incoming().box().add(any.handler(), {});
  const auto size = f.arrive(numbered<question>(3), kind::request, 7);
  CHECK(f.incoming().served().unserved_bytes() == size);
  CHECK(f.incoming().box().waiting());
  std::uint32_t asked = 0;
  f.incoming().served().serve<question>(
      [&](question request) -> asio::awaitable<verdict> {
        asked = request.number;
        co_return verdict();
      },
      f.core);
  f.run();
  CHECK(asked == 3);
  CHECK_FALSE(any.done());
  f.incoming().end(f.core);
  f.run();
}

TEST_CASE("a reply goes to its request only, and to nobody when that was answered or never made")
{
  fixture f;
  completion<verdict> got;
  f.ask(got);
  f.arrive(numbered<verdict>(1), kind::reply, 2);
  f.arrive(numbered<verdict>(1), kind::failure, 2);
  CHECK(f.incoming().requests().waiting());
  f.arrive(numbered<verdict>(2), kind::reply, 1);
  f.arrive(numbered<verdict>(3), kind::reply, 1);
  CHECK_FALSE(f.incoming().requests().waiting());
  f.run();
  CHECK(got.good());
  CHECK(got.value.number == 2);
  CHECK(f.core->codes.empty());
  CHECK(f.incoming().box().empty());
}

TEST_CASE("a receiver goes before the hub, and the hub before the box")
{
  fixture f;
  const auto hub = f.add_hub();
  completion<fixture::received> at_hub, here;
  hub->receive(at_hub.handler());
  f.incoming().box().add(here.handler(), {});
  for (std::uint32_t i = 1; i != 4; ++i) f.arrive(make_note(i));
  CHECK_FALSE(here.done());
  f.run();
  CHECK(std::get<note>(here.value.message).number == 1);
  CHECK(std::get<note>(at_hub.value.message).number == 2);
  CHECK(at_hub.value.worker == 5);
  CHECK(f.next_note()->number == 3);
}

TEST_CASE("something is wanted when somebody waits for it, of whatever kind")
{
  fixture f;
  CHECK_FALSE(f.incoming().wanted());
  completion<cohort::envelope<verdict>> one;
  f.incoming().box().add_one<verdict>(one.handler(), {});
  CHECK(f.incoming().wanted());
  f.arrive(numbered<verdict>(1));
  CHECK_FALSE(f.incoming().wanted());

  completion<verdict> asked;
  f.ask(asked);
  CHECK(f.incoming().wanted());
  f.arrive(numbered<verdict>(1), kind::reply, 1);
  CHECK_FALSE(f.incoming().wanted());

  const auto hub = f.add_hub();
  CHECK_FALSE(f.incoming().wanted());
  completion<fixture::received> any;
  hub->receive(any.handler());
  CHECK(f.incoming().wanted());
  f.arrive(make_note(1));
  CHECK_FALSE(f.incoming().wanted());

  f.incoming().want_all();
  CHECK(f.incoming().wanted());
  f.run();
}

TEST_CASE("what is here and what waits to be served are bounded together, by the mark or the limit")
{
  for (const bool all : {false, true}) {
    fixture probe;
    const auto note_size = probe.arrive(make_note(1, std::string(100, 'x')));
    const auto question_size = probe.arrive(question(), kind::request, 1);
    const auto both = note_size + question_size;
    fixture f(all ? channel_options().high_water(1).queue_limit(both)
                  : channel_options().high_water(both));
    completion<cohort::envelope<verdict>> waits;
    f.incoming().box().add_one<verdict>(waits.handler(), {});
    if (all) f.incoming().want_all();
    f.incoming().served().serve<question>(never, f.core);
    f.arrive(make_note(1, std::string(100, 'x')));
    // The last one waits for its turn.
    for (std::size_t i = 0; i <= cohort::detail::served_requests<invented_list>::max_running; ++i)
      f.arrive(question(), kind::request, i + 1);
    CHECK(f.incoming().served().waiting_bytes() == question_size);
    // Exactly as much as the bound.
    CHECK(f.incoming().wanted());
    f.next_note();
    f.arrive(make_note(1, std::string(101, 'x')));
    CHECK_FALSE(f.incoming().wanted());
    f.next_note();
    CHECK(f.incoming().wanted());
    f.incoming().end(f.core);
    f.run();
  }
}

TEST_CASE("the end fails who waits, and leaves what is here to the hub")
{
  fixture f;
  const auto hub = f.add_hub();
  completion<fixture::received> first, kept;
  hub->receive(first.handler());
  f.arrive(make_note(1));
  f.arrive(make_note(2));
  completion<cohort::envelope<verdict>> waits;
  completion<verdict> asked;
  f.incoming().box().add_one<verdict>(waits.handler(), {});
  f.ask(asked, std::chrono::hours(1));
  f.incoming().end(f.core);
  // Not for the hour of the deadline.
  f.context.restart();
  f.context.run();
  CHECK(f.core.use_count() == 2);
  hub->receive(kept.handler());
  f.run();
  CHECK(waits.error == cohort::error::disconnected);
  CHECK(asked.error == cohort::error::disconnected);
  CHECK(std::get<note>(kept.value.message).number == 2);
  hub->close();
  CHECK(f.core.use_count() == 1);
}

TEST_CASE("a channel that ends with nothing in it is not kept by the hub")
{
  fixture f;
  const auto hub = f.add_hub();
  completion<fixture::received> waits;
  hub->receive(waits.handler());
  f.incoming().end(f.core);
  CHECK(f.core.use_count() == 1);
  hub->close();
  f.run();
  CHECK(waits.error == asio::error::operation_aborted);
}

} // namespace incoming_messages_waits_test
