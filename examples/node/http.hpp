// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio.hpp>
#include <cohort.hpp>

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

/// What these examples have in common: as much HTTP as a browser needs, and the command line.
namespace web {

using asio::ip::tcp;

/// Where an example listens: for clients on this machine only.
inline tcp::endpoint here(unsigned short port)
{
  return tcp::endpoint(asio::ip::address_v4::loopback(), port);
}

/// The number that follows `name` on the command line.
inline int option(int argc, char** argv, std::string_view name, int otherwise)
{
  for (int i = 1; i + 1 < argc; ++i)
    if (argv[i] == name) return std::atoi(argv[i + 1]);
  return otherwise;
}

/// The port that `--port` asks for.
inline unsigned short port_option(int argc, char** argv)
{
  return static_cast<unsigned short>(option(argc, argv, "--port", 8000));
}

/// Reads the head of a request and gives its path, such as "/".
inline asio::awaitable<std::string> read_request(cohort::connection<tcp>& client)
{
  std::string head;
  co_await asio::async_read_until(
      client, asio::dynamic_buffer(head, 8192), "\r\n\r\n", asio::use_awaitable);
  const std::size_t path = head.find(' ') + 1;
  co_return head.substr(path, head.find(' ', path) - path);
}

inline asio::awaitable<void> write_answer(cohort::connection<tcp>& client, std::string body)
{
  const std::string answer = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n" + body;
  co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
}

/// Answers one request, whatever it asks for, and closes.
inline asio::awaitable<void> answer(cohort::connection<tcp> client, std::string body)
{
  co_await read_request(client);
  co_await write_answer(client, std::move(body));
}

/// Answers whoever comes, until the worker drains.
inline asio::awaitable<void> answer_all(cohort::acceptor<tcp>& acceptor, std::string body)
{
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(acceptor.get_executor(), answer(std::move(client), body), asio::detached);
  }
}

} // namespace web
