// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/channel/message_port.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cohort::detail {

/// Makes a function for `message_port::on_problem` out of a program's own: that is called on the
/// executor and never inside the channel, which finds problems while it reads, nor after the port
/// has dropped it.
inline std::function<void(const channel_problem&)> posted_problems(
    const asio::any_io_executor& executor, std::function<void(const channel_problem&)> function)
{
  const auto shared = std::make_shared<decltype(function)>(std::move(function));
  return [executor, shared](const channel_problem& found) {
    asio::post(executor, [wanted = std::weak_ptr(shared), found] {
      const auto alive = wanted.lock();
      if (alive && *alive) (*alive)(found);
    });
  };
}

/// For a program that has no function of its own: one line on stderr.
/// @param whose which channel it is.
inline void print_problem(std::string_view whose, const channel_problem& found)
{
  std::string line =
      "cohort: " + std::string(whose) + ": " + found.code.message() + ": " + found.what;
  // An exception may say anything, and what a peer has sent may be in there.
  for (char& each : line)
    if (static_cast<unsigned char>(each) < ' ' || each == '\x7f') each = '?';
  // In one piece: others may write there too.
  std::cerr << line + '\n';
}

} // namespace cohort::detail
