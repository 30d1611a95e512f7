// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <system_error>

namespace cohort_benchmark {

inline constexpr std::string_view keep_alive_response =
    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello world\n";
inline constexpr std::string_view close_response =
    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nhello world\n";

/// Looks for the end of a request without a body: no more than a benchmark of the way there needs.
inline std::size_t request_size(std::string_view received) noexcept
{
  const std::size_t end = received.find("\r\n\r\n");
  return end == received.npos ? 0 : end + 4;
}

inline bool asks_to_close(std::string_view request) noexcept
{
  return request.find("\r\nConnection: close\r\n") != request.npos;
}

/// Answers requests on one connection. The same coroutine for every C++ server that is compared.
template <class Stream>
asio::awaitable<void> serve_http(Stream client)
{
  std::array<char, 1024> data;
  std::size_t used = 0;
  std::error_code error;
  for (;;) {
    const auto room = asio::buffer(data.data() + used, data.size() - used);
    const std::size_t arrived =
        co_await client.async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    used += arrived;
    const std::string_view received(data.data(), used);
    const std::size_t size = request_size(received);
    if (size == 0 && used == data.size()) co_return;
    if (size == 0) continue;
    const bool last = asks_to_close(received.substr(0, size));
    const auto answer = asio::buffer(last ? close_response : keep_alive_response);
    co_await asio::async_write(client, answer, asio::redirect_error(asio::use_awaitable, error));
    if (error || last) co_return;
    used = 0;
  }
}

} // namespace cohort_benchmark
