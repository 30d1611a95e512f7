// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/error.hpp>
#include <cohort/message/protocol.hpp>

#include <asio/co_spawn.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace cohort::detail {

/// Who serves requests of one type, and those that came before there was anybody.
template <class Request>
struct request_server {
  struct early_request {
    Request request;
    std::uint64_t number;
    std::size_t size;
  };

  std::function<void(Request&&, std::uint64_t)> function;
  std::vector<early_request> early;
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
  // Beyond it nothing is read until one is served.
  static constexpr std::size_t max_running = 1024;

  /// Whether anything is served here.
  bool any() const noexcept { return any_; }
  bool full() const noexcept { return running_ >= max_running; }
  /// What came before its server, in bytes.
  std::size_t early_bytes() const noexcept { return early_bytes_; }

  /// From now on, and for what came before. `core`, which holds this object, has `get_executor`,
  /// `reply(number, value)`, `fail_request(number, error, text)`, `served()`. It and `function`
  /// live on with the coroutines.
  template <class Request, class Function, class Core>
  void serve(Function function, const std::shared_ptr<Core>& core);

  template <class Request>
  void received(Request request, std::uint64_t number, std::size_t size);

private:
  template <class Request>
  request_server<Request>& server_of() noexcept
  {
    return std::get<In::template index_of<Request>()>(servers_.each);
  }

  template <class Core, class Reply>
  void finished(Core& core, std::uint64_t number, const std::exception_ptr& failure, Reply value);

  request_servers<typename In::base> servers_;
  std::size_t running_ = 0;
  std::size_t early_bytes_ = 0;
  bool any_ = false;
};

// Implementation

template <class In>
template <class Request, class Function, class Core>
void served_requests<In>::serve(Function function, const std::shared_ptr<Core>& core)
{
  using reply_type = typename std::invoke_result_t<Function&, Request>::value_type;
  auto& server = server_of<Request>();
  // A coroutine may refer to the function it came from, though another one serves meanwhile.
  const auto shared = std::make_shared<Function>(std::move(function));
  // Weak: it lies in the core.
  server.function = [this, weak = std::weak_ptr(core), shared](
                        Request&& request, std::uint64_t number) {
    const auto alive = weak.lock();
    if (!alive) return;
    ++running_;
    asio::co_spawn(alive->get_executor(), (*shared)(std::move(request)),
        [this, alive, shared, number](std::exception_ptr failure, reply_type value) {
          finished(*alive, number, failure, std::move(value));
        });
  };
  any_ = true;
  for (auto& each : std::exchange(server.early, {})) {
    early_bytes_ -= each.size;
    server.function(std::move(each.request), each.number);
  }
}

template <class In>
template <class Request>
void served_requests<In>::received(Request request, std::uint64_t number, std::size_t size)
{
  auto& server = server_of<Request>();
  if (server.function) return server.function(std::move(request), number);
  server.early.push_back({std::move(request), number, size});
  early_bytes_ += size;
}

template <class In>
template <class Core, class Reply>
void served_requests<In>::finished(
    Core& core, std::uint64_t number, const std::exception_ptr& failure, Reply value)
{
  --running_;
  try {
    if (failure) std::rethrow_exception(failure);
    core.reply(number, std::move(value));
  } catch (const std::exception& thrown) {
    core.fail_request(number, error::request_failed, thrown.what());
  } catch (...) {
    core.fail_request(number, error::request_failed, "an exception of unknown type");
  }
  core.served();
}

} // namespace cohort::detail
