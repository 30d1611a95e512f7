// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message_channel.hpp>

#include "support/event_loop.hpp"
#include "support/pipe_handles.hpp"
#include "support/test_messages.hpp"

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>

#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace cohort_test {

using all_messages = cohort::messages<note, blob, question, verdict>;
/// Both sides may send everything: tests then need one instantiation.
using test_channel = cohort::message_channel<all_messages, all_messages, throwing_codec>;
using test_envelope = test_channel::envelope_type;

using socket_type = asio::local::stream_protocol::socket;

inline std::array<socket_type, 2> connected_sockets(asio::io_context& context)
{
  std::array<socket_type, 2> sockets{socket_type(context), socket_type(context)};
  asio::local::connect_pair(sockets[0], sockets[1]);
  return sockets;
}

/// Two channels that talk to each other.
template <class Left = test_channel, class Right = Left>
struct basic_message_pair {
  asio::io_context context{1};
  std::array<socket_type, 2> sockets;
  std::optional<Left> left;
  std::optional<Right> right;

  explicit basic_message_pair(
      const cohort::channel_options& first = {}, const cohort::channel_options& second = {})
      : sockets(connected_sockets(context))
  {
    left.emplace(std::move(sockets[0]), first);
    right.emplace(std::move(sockets[1]), second);
  }

  template <class Done>
  bool until(Done done)
  {
    return run_until(context, done);
  }

  /// The next message of that side, which has to be there within bounded time.
  template <class Channel>
  completion<typename Channel::envelope_type> next(Channel& channel)
  {
    completion<typename Channel::envelope_type> got;
    channel.receive(got.handler());
    until([&] { return got.done(); });
    return got;
  }
};

using message_pair = basic_message_pair<>;

/// One channel, and the other end of its socket bare.
struct half_pair {
  asio::io_context context{1};
  std::array<socket_type, 2> sockets;
  std::optional<test_channel> channel;
  socket_type& peer;
  std::vector<cohort::channel_problem> problems;

  explicit half_pair(const cohort::channel_options& options = {})
      : sockets(connected_sockets(context)),
        peer(sockets[1])
  {
    channel.emplace(std::move(sockets[0]), options);
    channel->on_problem([this](const cohort::channel_problem& p) { problems.push_back(p); });
  }

  completion<test_envelope> next()
  {
    completion<test_envelope> got;
    channel->receive(got.handler());
    run_until(context, [&] { return got.done(); });
    return got;
  }
};

} // namespace cohort_test
