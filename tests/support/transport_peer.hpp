// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/channel/message_transport.hpp>

#include "support/channel_peer.hpp"

#include <cohort/message/byte_sink.hpp>

#include <asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort_test {

/// An owner of a transport that notes what happens to it.
struct transport_peer {
  struct message {
    std::uint64_t number = 0;
    std::string text;
    std::vector<ino_t> files;
    bool truncated = false;
  };

  transport_peer(asio::io_context& context, posix::unique_fd socket, std::uint32_t max_message)
      : transport(context.get_executor(), std::move(socket), max_message)
  {
  }

  bool wants_messages() const { return wanted != 0; }
  void on_message(const wire::message_view& view, io::received_descriptors& received)
  {
    if (wanted > 0) --wanted;
    message seen;
    seen.number = view.sequence;
    seen.text.assign(reinterpret_cast<const char*>(view.body.data()), view.body.size());
    for (const auto& fd : received.fds) seen.files.push_back(identity(fd.get()));
    seen.truncated = received.truncated;
    messages.push_back(std::move(seen));
    if (when_message) when_message();
  }
  void on_input_end(std::error_code reason)
  {
    ends.push_back(reason);
    if (when_end) when_end();
  }
  void on_written()
  {
    ++written;
    if (when_written) when_written();
  }

  // How many are wanted; all when negative.
  int wanted = -1;
  std::vector<message> messages;
  std::vector<std::error_code> ends;
  int written = 0;
  std::function<void()> when_message, when_end, when_written;
  cohort::detail::message_transport<transport_peer> transport;
};

/// A message as it goes over the wire.
inline cohort::byte_sink message_sink(
    std::string_view text, std::uint64_t number = 0, std::size_t descriptors = 0)
{
  cohort::byte_sink sink;
  const auto head = sink.extend(wire::message_head_size);
  wire::encode_message_head(wire::message_kind::message, number, {}, text.size(), descriptors,
      head.first<wire::message_head_size>());
  sink.append(text);
  return sink;
}
inline bytes message_bytes(
    std::string_view text, std::uint64_t number = 0, std::size_t descriptors = 0)
{
  return message_sink(text, number, descriptors).bytes();
}

/// A transport on the left of two connected sockets, and the right one bare.
struct transport_pair : channel_pair {
  // The transport's socket.
  const int number;
  std::shared_ptr<transport_peer> peer;

  explicit transport_pair(std::uint32_t max_message = 64 * 1024)
      : number(first.get()),
        peer(std::make_shared<transport_peer>(context, std::move(first), max_message))
  {
    transport().set_owner(peer);
  }
  ~transport_pair() { transport().close(); }

  cohort::detail::message_transport<transport_peer>& transport() { return peer->transport; }
  void run() { run_ready(context); }
  template <class Done>
  bool until(Done done)
  {
    return run_until(context, done);
  }

  void send(std::string_view text, posix::unique_fd rider = posix::unique_fd())
  {
    std::vector<posix::unique_fd> riders;
    if (rider) riders.push_back(std::move(rider));
    auto sink = message_sink(text, 0, riders.size());
    transport().send(sink, std::move(riders));
  }

  std::vector<std::string> texts() const
  {
    std::vector<std::string> all;
    for (const auto& each : peer->messages) all.push_back(each.text);
    return all;
  }

  /// What is there for the bare end now; `peer_ended` when that is the end of the stream.
  bytes drain(std::size_t most = 100'000)
  {
    bytes all, buffer(most);
    posix::fd_sink fds;
    for (;;) {
      std::error_code error;
      const auto got = posix::receive_with_fds(second.get(), buffer, fds, error);
      peer_ended = (!error && got.bytes == 0) || error == std::errc::connection_reset;
      if (error || got.bytes == 0) return all;
      all.insert(
          all.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got.bytes));
    }
  }
  bool peer_ended = false;
};

} // namespace cohort_test
