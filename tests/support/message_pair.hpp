// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/binary.hpp>
#include <cohort/message_channel.hpp>

#include "support/time_factor.hpp"

#include <boost/describe/class.hpp>

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <optional>
#include <span>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace cohort_test {

struct note {
  std::uint32_t number = 0;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(note, (), (number, text))

struct blob {
  std::vector<std::uint8_t> bytes;
};
BOOST_DESCRIBE_STRUCT(blob, (), (bytes))

struct question {
  std::uint32_t number = 0;
};
BOOST_DESCRIBE_STRUCT(question, (), (number))

struct verdict {
  std::uint32_t number = 0;
};
BOOST_DESCRIBE_STRUCT(verdict, (), (number))

inline note make_note(std::uint32_t number, std::string text = std::string())
{
  note made;
  made.number = number;
  made.text = std::move(text);
  return made;
}

inline blob make_blob(std::size_t size)
{
  blob made;
  made.bytes.resize(size);
  for (std::size_t i = 0; i != size; ++i) made.bytes[i] = static_cast<std::uint8_t>(i * 7);
  return made;
}

template <class Message>
Message numbered(std::uint32_t number)
{
  Message made;
  made.number = number;
  return made;
}

/// The binary codec, which throws for a note whose text is "throw" or "fail".
struct throwing_codec : cohort::binary_codec {
  template <class Message>
  static void encode(Message&& message, cohort::byte_sink& out)
  {
    if constexpr (std::is_same_v<std::remove_cvref_t<Message>, note>) {
      if (message.text == "throw") throw 1;
      if (message.text == "fail")
        throw std::system_error(std::make_error_code(std::errc::io_error));
    }
    cohort::binary_codec::encode(std::forward<Message>(message), out);
  }
};

using all_messages = cohort::messages<note, blob, question, verdict>;
/// Both sides may send everything: tests then need one instantiation.
using test_channel = cohort::message_channel<all_messages, all_messages, throwing_codec>;
using test_envelope = test_channel::envelope_type;

/// What an operation gave.
template <class T = int>
struct completion {
  int times = 0;
  std::error_code error;
  T value{};

  bool done() const noexcept { return times != 0; }
  bool good() const noexcept { return times == 1 && !error; }

  auto handler()
  {
    if constexpr (std::is_same_v<T, int>)
      return [this](std::error_code e) {
        ++times;
        error = e;
      };
    else
      return [this](std::error_code e, T v) {
        ++times;
        error = e;
        value = std::move(v);
      };
  }
};

/// Runs handlers until `done()`, at most 10 seconds.
template <class Done>
bool run_until(asio::io_context& context, Done done)
{
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10) * time_factor();
  while (!done()) {
    context.restart();
    if (context.run_one_until(deadline) == 0) return done();
  }
  return true;
}

/// Runs what is ready, without waiting.
inline void run_ready(asio::io_context& context)
{
  context.restart();
  context.poll();
}

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

/// A whole frame with a message, as bytes.
template <class Message>
std::vector<std::byte> frame_of(const Message& message,
    cohort::detail::wire::message_kind kind = cohort::detail::wire::message_kind::message,
    std::uint64_t number = 0, std::size_t descriptors = 0)
{
  namespace wire = cohort::detail::wire;
  cohort::byte_sink sink;
  sink.extend(wire::message_head_size);
  cohort::binary_codec::encode(message, sink);
  const wire::message_type_id id{
      cohort::message_id<Message>(), cohort::binary_codec::schema<Message>()};
  wire::encode_message_head(kind, number, id, sink.size() - wire::message_head_size, descriptors,
      std::span(sink.copied()).template first<wire::message_head_size>());
  return sink.bytes();
}

/// What an open file is, whatever its number.
inline ino_t file_identity(int fd)
{
  struct stat status;
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/// Two ends of a new pipe.
inline std::array<cohort::handle, 2> make_pipe()
{
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category());
  return {cohort::handle::adopt(ends[0]), cohort::handle::adopt(ends[1])};
}

} // namespace cohort_test
