// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/served_requests.hpp>

#include <doctest/doctest.h>

#include "support/event_loop.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace served_requests_test {

using namespace cohort_test;

namespace {

struct number {
  std::uint64_t value = 0;
};

using list = cohort::detail::message_list<number, std::string>;
using served_type = cohort::detail::served_requests<list>;
using numbers = std::vector<std::uint64_t>;
using strings = std::vector<std::string>;
constexpr std::size_t bound = served_type::max_running;

// A channel that notes what it is asked to send.
struct noted_core : std::enable_shared_from_this<noted_core> {
  explicit noted_core(asio::io_context& context) : executor(context.get_executor()) {}

  const asio::any_io_executor& get_executor() const noexcept { return executor; }
  template <class Reply>
  void reply(std::uint64_t request, Reply value)
  {
    if constexpr (std::is_same_v<Reply, std::string>) {
      if (value == "cannot be encoded") throw std::runtime_error(value);
    }
    replied.push_back(request);
  }
  void fail_request(std::uint64_t request, std::error_code why, std::string_view what)
  {
    CHECK(why == cohort::error::request_failed);
    failed.push_back(std::to_string(request) + ' ' + std::string(what));
  }
  void served()
  {
    ++times_served;
    running_then = requests.running();
  }

  asio::any_io_executor executor;
  served_type requests;
  numbers replied;
  strings failed;
  std::size_t times_served = 0;
  std::optional<bool> running_then;
};

// Lets those who serve wait until the test says that they may go on.
struct gates {
  asio::io_context& context;
  std::map<std::uint64_t, std::shared_ptr<asio::steady_timer>> waiting;
  numbers started;

  asio::awaitable<number> pass(number request)
  {
    started.push_back(request.value);
    const auto gate = std::make_shared<asio::steady_timer>(context, std::chrono::hours(1));
    waiting[request.value] = gate;
    std::error_code ignored;
    co_await gate->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_return request;
  }
  void open(std::uint64_t which)
  {
    waiting.at(which)->cancel();
    waiting.erase(which);
  }
};

struct fixture {
  asio::io_context context{1};
  std::shared_ptr<noted_core> core = std::make_shared<noted_core>(context);
  gates gate{context, {}, {}};

  served_type& requests() { return core->requests; }
  void run() { run_ready(context); }

  void serve_gated()
  {
    requests().serve<number>([this](number request) { return gate.pass(request); }, core);
  }
  void ask(std::uint64_t which, std::size_t size = 10)
  {
    requests().received(number{which}, which, size);
  }
  void open(std::uint64_t which)
  {
    gate.open(which);
    run();
  }
};

asio::awaitable<number> doubled(number request) { co_return number{request.value * 2}; }

} // namespace

TEST_CASE("requests wait with their size until somebody serves them, and are served in order")
{
  fixture f;
  CHECK_FALSE(f.requests().any());
  for (std::uint64_t i = 1; i != 4; ++i) f.ask(i, 100);
  f.requests().received(std::string("other"), 9, 1'000);
  CHECK(f.requests().unserved_bytes() == 1'300);
  // What nobody serves is no reason to wait.
  CHECK_FALSE(f.requests().running());
  f.serve_gated();
  CHECK(f.requests().any());
  CHECK(f.requests().running());
  CHECK(f.requests().unserved_bytes() == 1'000);
  CHECK(f.gate.started.empty());
  f.run();
  CHECK(f.gate.started == numbers{1, 2, 3});
  CHECK(f.core->replied.empty());
}

TEST_CASE("replies leave in the order in which they are made")
{
  fixture f;
  f.serve_gated();
  for (std::uint64_t i = 1; i != 4; ++i) f.ask(i);
  f.run();
  f.open(2);
  CHECK(f.core->replied == numbers{2});
  CHECK(f.core->running_then == true);
  f.open(3);
  f.open(1);
  CHECK(f.core->replied == numbers{2, 3, 1});
  CHECK(f.core->times_served == 3);
  CHECK(f.core->running_then == false);
  CHECK(f.core.use_count() == 1);
}

TEST_CASE("no server runs inside a call, whoever calls from where")
{
  fixture f;
  bool inside = false;
  int calls = 0;
  const auto server = [&](number request) {
    CHECK_FALSE(inside);
    ++calls;
    return doubled(request);
  };
  const auto call = [&] {
    inside = true;
    f.ask(1);
    f.requests().serve<number>(server, f.core);
    f.ask(2);
    inside = false;
  };
  call();
  asio::post(f.context, call);
  CHECK(calls == 0);
  f.run();
  CHECK(calls == 4);
}

TEST_CASE("as many as may be are served at once, and each that ends lets the next one begin")
{
  fixture f;
  f.serve_gated();
  for (std::uint64_t i = 0; i != bound; ++i) f.ask(i);
  CHECK(f.requests().waiting_bytes() == 0);
  f.ask(bound, 30);
  f.ask(bound + 1, 40);
  CHECK(f.requests().waiting_bytes() == 70);
  f.run();
  CHECK(f.gate.started.size() == bound);
  f.open(5);
  CHECK(f.requests().waiting_bytes() == 40);
  CHECK(f.gate.started.size() == bound + 1);
  CHECK(f.gate.started.back() == bound);
  f.open(bound);
  CHECK(f.gate.started.back() == bound + 1);
  CHECK(f.requests().waiting_bytes() == 0);
  // Another one for each that ends, and not more.
  f.ask(bound + 2);
  f.run();
  CHECK(f.gate.started.size() == bound + 2);
  while (!f.gate.waiting.empty()) f.open(f.gate.waiting.begin()->first);
  CHECK(f.core->replied.size() == bound + 3);
  CHECK_FALSE(f.requests().running());
}

TEST_CASE("requests of one type do not wait for those of another")
{
  fixture f;
  f.serve_gated();
  for (std::uint64_t i = 0; i != bound + 1; ++i) f.ask(i);
  f.requests().serve<std::string>(
      [](std::string text) -> asio::awaitable<std::string> { co_return text; }, f.core);
  f.requests().received(std::string("quick"), 9'999, 10);
  f.run();
  CHECK(f.core->replied == numbers{9'999});
}

TEST_CASE("what a server throws fails its request, and only that one")
{
  fixture f;
  f.requests().serve<number>(
      [](number request) -> asio::awaitable<number> {
        if (request.value == 1) throw std::runtime_error("not this one");
        if (request.value == 2) throw 2;
        co_return request;
      },
      f.core);
  // No coroutine: it throws before there is one.
  f.requests().serve<std::string>(
      [](std::string) -> asio::awaitable<number> { throw std::logic_error("none at all"); },
      f.core);
  for (std::uint64_t i = 1; i != 4; ++i) f.ask(i);
  f.requests().received(std::string(), 4, 10);
  f.run();
  CHECK(f.core->failed ==
        strings{"1 not this one", "2 an exception of unknown type", "4 none at all"});
  CHECK(f.core->replied == numbers{3});
  CHECK(f.core->times_served == 4);
  CHECK_FALSE(f.requests().running());
}

TEST_CASE("a reply that cannot be sent fails its request")
{
  fixture f;
  f.requests().serve<std::string>(
      [](std::string) -> asio::awaitable<std::string> {
        co_return std::string("cannot be encoded");
      },
      f.core);
  f.requests().received(std::string("asked"), 1, 10);
  f.run();
  CHECK(f.core->failed == strings{"1 cannot be encoded"});
  CHECK(f.core->times_served == 1);
  CHECK_FALSE(f.requests().running());
}

TEST_CASE("a server that is replaced lives as long as it has something to do")
{
  fixture f;
  const auto kept = std::make_shared<int>();
  f.requests().serve<number>([&f, kept](number request) { return f.gate.pass(request); }, f.core);
  f.ask(1);
  f.ask(2);
  f.run();
  f.requests().serve<number>(doubled, f.core);
  f.ask(3);
  f.run();
  CHECK(f.core->replied == numbers{3});
  f.open(1);
  CHECK(kept.use_count() == 2);
  f.open(2);
  CHECK(kept.use_count() == 1);
  CHECK(f.core->replied == numbers{3, 1, 2});
}

TEST_CASE("a channel lives until its last request is served, and not because it serves")
{
  fixture f;
  const std::weak_ptr<noted_core> watched = f.core;
  f.serve_gated();
  f.ask(1);
  f.run();
  noted_core* const core = f.core.get();
  f.core.reset();
  CHECK_FALSE(watched.expired());
  f.gate.open(1);
  CHECK(core->replied.empty());
  f.run();
  CHECK(watched.expired());

  f.core = std::make_shared<noted_core>(f.context);
  f.serve_gated();
  f.core.reset();
  f.run();
  CHECK(f.gate.started == numbers{1});
}

TEST_CASE("who serves and is through is let go at the end, whatever it owns")
{
  fixture f;
  const std::weak_ptr<noted_core> watched = f.core;
  f.requests().serve<number>(
      [owner = f.core, &f](number request) { return f.gate.pass(request); }, f.core);
  f.requests().serve<std::string>(
      [owner = f.core](std::string request) -> asio::awaitable<std::string> { co_return request; },
      f.core);
  for (std::uint64_t i = 0; i != bound + 1; ++i) f.ask(i);
  f.run();
  noted_core* const core = f.core.get();
  core->requests.end();
  f.core.reset();
  // The last one is started when another is through, and then nothing owns the channel.
  CHECK_FALSE(watched.expired());
  f.gate.open(0);
  f.run();
  CHECK(f.gate.started.size() == bound + 1);
  for (std::uint64_t i = 1; i != bound + 1; ++i) f.gate.open(i);
  f.run();
  CHECK(watched.expired());
}

TEST_CASE("requests that nobody serves wait up to a bound, and not at the cost of others")
{
  fixture f;
  CHECK(f.requests().received<number>(number{1}, 1, served_type::max_unserved - 10));
  CHECK(f.requests().received<std::string>("fits", 2, 10));
  CHECK_FALSE(f.requests().received<number>(number{2}, 3, 1));
  CHECK(f.requests().waiting_bytes() == 0);
  f.serve_gated();
  CHECK(f.requests().received<number>(number{3}, 4, 1));
  CHECK(f.requests().received<std::string>("there is room again", 5, 20));
  f.run();
  CHECK(f.gate.started == numbers{1, 3});
  f.gate.open(1);
  f.gate.open(3);
  f.run();
  CHECK(f.core->replied == numbers{1, 4});
}

TEST_CASE("a context that ends takes those who serve with it")
{
  std::weak_ptr<noted_core> watched;
  const auto kept = std::make_shared<int>();
  {
    fixture f;
    watched = f.core;
    f.requests().serve<number>([&f, kept](number request) { return f.gate.pass(request); }, f.core);
    for (std::uint64_t i = 0; i != bound + 1; ++i) f.ask(i);
    f.run();
    f.core.reset();
    f.gate.waiting.clear();
    f.gate.started.clear();
    CHECK_FALSE(watched.expired());
  }
  CHECK(watched.expired());
  CHECK(kept.use_count() == 1);
}

} // namespace served_requests_test
