// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/protocol.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

namespace cohort::detail {

template <class List>
struct request_servers;

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

template <class... Requests>
struct request_servers<message_list<Requests...>> {
  std::tuple<request_server<Requests>...> each;
};

/// The requests that one side of a channel serves.
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

  /// From now on, and for what came before.
  template <class Request>
  void serve(std::function<void(Request&&, std::uint64_t)> function);

  template <class Request>
  void received(Request&& request, std::uint64_t number, std::size_t size);

  void served() noexcept { --running_; }

private:
  template <class Request>
  request_server<Request>& server_of() noexcept
  {
    return std::get<In::template index_of<Request>()>(servers_.each);
  }

  request_servers<typename In::base> servers_;
  std::size_t running_ = 0;
  std::size_t early_bytes_ = 0;
  bool any_ = false;
};

// Implementation

template <class In>
template <class Request>
void served_requests<In>::serve(std::function<void(Request&&, std::uint64_t)> function)
{
  auto& server = server_of<Request>();
  server.function = std::move(function);
  any_ = true;
  for (auto& each : std::exchange(server.early, {})) {
    early_bytes_ -= each.size;
    ++running_;
    server.function(std::move(each.request), each.number);
  }
}

template <class In>
template <class Request>
void served_requests<In>::received(Request&& request, std::uint64_t number, std::size_t size)
{
  auto& server = server_of<Request>();
  if (server.function) {
    ++running_;
    return server.function(std::move(request), number);
  }
  server.early.push_back({std::move(request), number, size});
  early_bytes_ += size;
}

} // namespace cohort::detail
