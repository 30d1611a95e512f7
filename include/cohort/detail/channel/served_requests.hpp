// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/fifo.hpp>
#include <cohort/error.hpp>
#include <cohort/message/protocol.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cohort::detail {

/// Who serves requests of one type, and those that wait: they came before there was anybody, or
/// while as many were served as may be.
template <class Request>
struct request_server {
  struct waiting_request {
    Request request;
    std::uint64_t number;
    std::size_t size;
  };

  std::function<void(Request&&, std::uint64_t)> function;
  fifo<waiting_request> waiting;
  std::size_t running = 0;
};

template <class List>
struct request_servers;

template <class... Requests>
struct request_servers<message_list<Requests...>> {
  std::tuple<request_server<Requests>...> each;
};

/// The requests that one side of a channel serves: each by a coroutine of its own.
template <class In>
class served_requests {
public:
  // Of one type at a time; what comes beyond it waits. Reading goes on, as these may wait for
  // replies that come by the same channel.
  static constexpr std::size_t max_running = 1024;
  // Bytes of requests that nobody serves yet; what comes beyond it is refused.
  static constexpr std::size_t max_unserved = 256 * 1024;

  /// Whether anything is served here.
  bool any() const noexcept { return any_; }
  /// Whether one is being served, or waits for that.
  bool running() const noexcept;
  /// What waits for a place to be served, in bytes.
  std::size_t waiting_bytes() const noexcept { return waiting_bytes_; }

  /// What waits for somebody to serve it.
  std::size_t unserved_bytes() const noexcept { return unserved_bytes_; }

  /// From now on, and for what came before. `core`, which holds this object, has `get_executor`,
  /// `reply(number, value)`, `fail_request(number, error, text)`, `served()`. It and `function`
  /// live on with the coroutines. `function` is never called inside a function of this class.
  template <class Request, class Function, class Core>
  void serve(Function function, const std::shared_ptr<Core>& core);

  /// False when it is refused.
  template <class Request>
  bool received(Request request, std::uint64_t number, std::size_t size);

  /// Nothing more comes: functions that are through are let go. They may own what owns this.
  void end();

private:
  template <class Request>
  request_server<Request>& server_of() noexcept
  {
    return std::get<In::template index_of<Request>()>(servers_.each);
  }

  template <class Request>
  void start_waiting();

  template <class Request, class Function>
  static std::invoke_result_t<Function&, Request> run(
      asio::any_io_executor executor, std::shared_ptr<Function> function, Request request);

  template <class Request, class Core, class Reply>
  void finished(Core& core, std::uint64_t number, const std::exception_ptr& failure, Reply value);

  request_servers<typename In::base> servers_;
  std::size_t waiting_bytes_ = 0;
  std::size_t unserved_bytes_ = 0;
  bool any_ = false;
  bool ended_ = false;
};

// Implementation

template <class In>
bool served_requests<In>::running() const noexcept
{
  const auto idle = [](const auto&... server) {
    return ((server.running == 0 && (!server.function || server.waiting.empty())) && ...);
  };
  return !std::apply(idle, servers_.each);
}

template <class In>
template <class Request, class Function, class Core>
void served_requests<In>::serve(Function function, const std::shared_ptr<Core>& core)
{
  using reply_type = typename std::invoke_result_t<Function&, Request>::value_type;
  auto& server = server_of<Request>();
  if (!server.function) {
    for (const auto& each : server.waiting.all()) {
      unserved_bytes_ -= each.size;
      waiting_bytes_ += each.size;
    }
  }
  // A coroutine may refer to the function it came from, though another one serves meanwhile.
  const auto shared = std::make_shared<Function>(std::move(function));
  // Weak: it lies in the core.
  server.function = [this, weak = std::weak_ptr(core), shared](
                        Request&& request, std::uint64_t number) {
    const auto alive = weak.lock();
    if (!alive) return;
    ++server_of<Request>().running;
    const asio::any_io_executor executor = alive->get_executor();
    asio::co_spawn(executor, run<Request>(executor, shared, std::move(request)),
        [this, alive, number](std::exception_ptr failure, reply_type value) {
          finished<Request>(*alive, number, failure, std::move(value));
        });
  };
  any_ = true;
  start_waiting<Request>();
}

template <class In>
template <class Request, class Function>
std::invoke_result_t<Function&, Request> served_requests<In>::run(
    asio::any_io_executor executor, std::shared_ptr<Function> function, Request request)
{
  using result = std::invoke_result_t<Function&, Request>;
  // `co_spawn` begins at once when it is called in the event loop, and this comes out of reading.
  co_await asio::post(executor, asio::use_awaitable_t<typename result::executor_type>());
  auto reply = co_await (*function)(std::move(request));
  co_return reply;
}

template <class In>
template <class Request>
void served_requests<In>::start_waiting()
{
  auto& server = server_of<Request>();
  while (server.function && server.running < max_running && !server.waiting.empty()) {
    auto next = std::move(server.waiting[0]);
    server.waiting.erase(0, 1);
    waiting_bytes_ -= next.size;
    server.function(std::move(next.request), next.number);
  }
  if (ended_ && server.waiting.empty()) server.function = nullptr;
}

template <class In>
void served_requests<In>::end()
{
  ended_ = true;
  const auto let_go = [](auto&... server) {
    ((server.waiting.empty() ? void(server.function = nullptr) : void()), ...);
  };
  std::apply(let_go, servers_.each);
}

template <class In>
template <class Request>
bool served_requests<In>::received(Request request, std::uint64_t number, std::size_t size)
{
  auto& server = server_of<Request>();
  if (!server.function && unserved_bytes_ + size > max_unserved) return false;
  server.waiting.push_back({std::move(request), number, size});
  (server.function ? waiting_bytes_ : unserved_bytes_) += size;
  start_waiting<Request>();
  return true;
}

template <class In>
template <class Request, class Core, class Reply>
void served_requests<In>::finished(
    Core& core, std::uint64_t number, const std::exception_ptr& failure, Reply value)
{
  --server_of<Request>().running;
  try {
    if (failure) std::rethrow_exception(failure);
    core.reply(number, std::move(value));
  } catch (const std::exception& thrown) {
    core.fail_request(number, error::request_failed, thrown.what());
  } catch (...) {
    core.fail_request(number, error::request_failed, "an exception of unknown type");
  }
  start_waiting<Request>();
  core.served();
}

} // namespace cohort::detail
