// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/posix/bound_place.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// A listener on its way from a program to the one that replaces it: what was asked for when it was
/// made, and its socket, or sockets where each worker has one of its own.
struct passed_listener {
  listen_key asked;
  posix::socket_address bound;
  wire::shared_bytes data;
  std::vector<posix::unique_fd> sockets;
  /// What its path leads to, when that is to be removed by the process that has it now.
  posix::socket_file file;

  /// Whether this is what somebody asks for.
  bool is_meant_by(const listen_key& key) const noexcept
  {
    return key == asked || key.names(bound);
  }
};

/// Where it is bound, as this process reaches it.
posix::bound_place place_of(const passed_listener& listener, std::error_code& error);

/// One thing that the old program and the new one say to each other, with descriptors: a packet of
/// a socket that keeps packets apart. `T` is a message of the control channel.
struct upgrade_packet {
  wire::message_type type{};
  std::vector<std::byte> payload;
  posix::fd_sink descriptors;
};

/// What the first packet says of the form of the others.
inline constexpr std::uint64_t upgrade_protocol = 1;

/// Sends a packet at once. `no_buffer_space` when too much waits to be read there.
template <class Message>
void send_packet(
    int channel, const Message& message, std::span<const int> descriptors, std::error_code& error);

/// Takes the next packet, which must be there: else `would_block`. `error::truncated` at the end.
upgrade_packet receive_packet(int channel, std::error_code& error);

/// What a packet of plain text has for a type: no message has it.
inline constexpr wire::message_type upgrade_text{};

/// Sends text of any length, in packets of it.
void send_text(int channel, std::string_view text, std::error_code& error);

/// Sends a listener; it stays open here.
void send_listener(int channel, const passed_listener& listener, std::error_code& error);
/// Sends connections that were accepted at such a one, of any number; with an error the rest stays.
void send_stranded(int channel, passed_listener& connections, std::error_code& error);
/// What is in such a packet; `error::protocol_violation` when it is none.
passed_listener read_listener(upgrade_packet packet, std::error_code& error);

// Implementation

inline posix::bound_place place_of(const passed_listener& listener, std::error_code& error)
{
  // The address of a long path is its maker's own.
  return listener.asked.path.empty() ? posix::bound_place(listener.bound)
                                     : posix::reach_path(listener.asked.path, error);
}

inline void send_packet_bytes(int channel, std::span<std::byte> bytes,
    std::span<const int> descriptors, std::error_code& error)
{
  const iovec data{bytes.data(), bytes.size()};
  posix::send_with_fds(channel, std::span(&data, 1), descriptors, error);
  if (posix::would_block(error)) error = std::make_error_code(std::errc::no_buffer_space);
}

template <class Message>
void send_packet(
    int channel, const Message& message, std::span<const int> descriptors, std::error_code& error)
{
  std::vector<std::byte> bytes{static_cast<std::byte>(Message::type)};
  wire::encode(message, bytes);
  send_packet_bytes(channel, bytes, descriptors, error);
}

inline void send_text(int channel, std::string_view text, std::error_code& error)
{
  while (!text.empty() && !error) {
    const std::string_view piece = text.substr(0, wire::max_control_payload / 2);
    text.remove_prefix(piece.size());
    std::vector<std::byte> bytes{static_cast<std::byte>(upgrade_text)};
    for (const char each : piece) bytes.push_back(static_cast<std::byte>(each));
    send_packet_bytes(channel, bytes, {}, error);
  }
}

inline upgrade_packet receive_packet(int channel, std::error_code& error)
{
  upgrade_packet packet;
  std::vector<std::byte> buffer(wire::max_control_payload + 1);
  const posix::received got = posix::receive_with_fds(channel, buffer, packet.descriptors, error);
  if (error) return packet;
  if (got.bytes == 0) error = error::truncated;
  else if (got.truncated) error = error::protocol_violation;
  if (error) return packet;
  packet.type = static_cast<wire::message_type>(buffer.front());
  packet.payload.assign(
      buffer.begin() + 1, buffer.begin() + static_cast<std::ptrdiff_t>(got.bytes));
  return packet;
}

inline void send_listener(int channel, const passed_listener& listener, std::error_code& error)
{
  wire::listen message;
  listener.asked.describe_to(message);
  message.data = listener.data;
  std::vector<int> descriptors;
  for (const posix::unique_fd& each : listener.sockets) descriptors.push_back(each.get());
  send_packet(channel, message, descriptors, error);
}

inline void send_stranded(int channel, passed_listener& connections, std::error_code& error)
{
  wire::listen message;
  connections.asked.describe_to(message);
  std::vector<posix::unique_fd>& all = connections.sockets;
  while (!all.empty() && !error) {
    std::vector<int> next;
    for (const posix::unique_fd& each : all)
      if (next.size() != posix::max_passed_fds) next.push_back(each.get());
    send_packet(channel, message, next, error);
    if (!error) all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(next.size()));
  }
}

inline passed_listener read_listener(upgrade_packet packet, std::error_code& error)
{
  passed_listener listener;
  if (packet.type != wire::message_type::listen || packet.descriptors.empty())
    error = error::protocol_violation;
  if (error) return listener;
  const auto message = wire::decode<wire::listen>(packet.payload, error);
  if (!error) listener.asked = listen_key::of(message, error);
  if (!error) listener.bound = posix::local_address(packet.descriptors.front().get(), error);
  listener.data = message.data;
  listener.sockets = std::move(packet.descriptors);
  return listener;
}

} // namespace cohort::detail
