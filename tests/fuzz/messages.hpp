// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/channel/incoming_messages.hpp>
#include <cohort/detail/io/frame_input.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/message/json.hpp>
#include <cohort/message/protocol.hpp>

#include "fuzz/check.hpp"
#include "fuzz/wire.hpp"

#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <boost/describe/class.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/uio.h>
#include <system_error>
#include <utility>
#include <vector>

// What is checked for any input of the fuzz target `messages`. The first byte says which codec the
// channel has, by its lowest bit, and when the others are 0 that everything goes through a real
// socket, if that can be. What follows are reads as in wire.hpp; their bytes are what the peer has
// sent.

namespace cohort_test::fuzz::messages {

struct note {
  std::string text;
  std::optional<std::int32_t> number;
};
BOOST_DESCRIBE_STRUCT(note, (), (text, number))

struct table {
  std::map<std::string, std::vector<std::uint16_t>> rows;
};
BOOST_DESCRIBE_STRUCT(table, (), (rows))

/// What the other side answers.
struct answer {
  std::uint32_t number = 0;
};
BOOST_DESCRIBE_STRUCT(answer, (), (number))

} // namespace cohort_test::fuzz::messages

// Names and a layout that do not change, so that inputs keep their meaning.
template <>
inline constexpr std::string_view cohort::message_name<cohort_test::fuzz::messages::note> = "note";
template <>
inline constexpr std::string_view cohort::message_name<cohort_test::fuzz::messages::table> =
    "table";
template <>
inline constexpr std::string_view cohort::message_name<cohort_test::fuzz::messages::answer> =
    "answer";

namespace cohort_test::fuzz {

namespace messages {

struct exact_codec : cohort::binary_codec {
  template <class Message>
  static constexpr std::uint32_t schema()
  {
    return 0x01020304;
  }
};

constexpr std::uint32_t max_message = 300;
constexpr std::uint64_t requests = 2;

/// One thing that became of what was received.
struct happening {
  std::string what;
  std::uint64_t number = 0;
  std::vector<std::byte> bytes;

  friend bool operator==(const happening&, const happening&) = default;
};

/// One end of a channel without its transport. It has sent two requests.
template <class Codec>
class receiver {
public:
  explicit receiver(asio::io_context& io)
      : io_(io),
        incoming_(io.get_executor(), cohort::channel_options().max_message_size(max_message), 0)
  {
    using pending = cohort::detail::pending_request_for<answer, Codec>;
    for (std::uint64_t i = 1; i <= requests; ++i) {
      auto done = [this, i](std::error_code error, answer reply) {
        log_.push_back({"answered: " + error.message(), i, encoded<Codec>(reply)});
      };
      incoming_.requests().add(
          std::make_unique<pending>(io.get_executor(), done), 0, {}, std::shared_ptr<receiver>());
    }
  }
  receiver(const receiver&) = delete;
  receiver& operator=(const receiver&) = delete;

  /// False when no such frame exists.
  bool frame(const wire::frame_view& frame, std::span<cohort::detail::posix::unique_fd> fds)
  {
    const auto message = wire::decode_message(frame);
    if (!message) return false;
    if (message->kind == wire::message_kind::relay) {
      check_relay_head(*message, frame);
      log_.push_back({"relay to " + std::string(message->group), message->sequence, {}});
      return true;
    }
    check_head(*message, frame);
    cohort::detail::io::received_descriptors received{fds, false};
    incoming_.received(*this, *message, received);
    note_received(fds.size());
    return true;
  }

  std::vector<happening> end()
  {
    incoming_.end(nullptr);
    io_.restart();
    io_.poll();
    require(!incoming_.requests().waiting(), "each request ends");
    return std::move(log_);
  }

  // For incoming_messages.
  void problem(std::error_code code, std::string what)
  {
    log_.push_back({"problem: " + code.message() + ": " + std::move(what), 0, {}});
  }
  void fail_request(std::uint64_t number, std::error_code code, std::string_view what)
  {
    log_.push_back({"failed: " + code.message() + ": " + std::string(what), number, {}});
  }

private:
  using in = cohort::detail::message_list<note, table>;

  // Encoding what was understood gives what came.
  static void check_head(const wire::message_view& message, const wire::frame_view& frame)
  {
    std::array<std::byte, wire::message_head_size> head, came;
    wire::encode_message_head(message.kind, message.sequence, message.type, message.body.size(),
        frame.header.descriptors, head);
    wire::encode_header(frame.header, std::span(came).template first<wire::header_size>());
    std::copy_n(frame.payload.begin(), 8, came.begin() + wire::header_size);
    require(head == came, "one head for each message");
    require(message.body.size() + 8 == frame.payload.size(), "the body is the rest");
  }

  static void check_relay_head(const wire::message_view& message, const wire::frame_view& frame)
  {
    std::vector<std::byte> head(wire::relay_head_size(message.group.size())), came(head.size());
    wire::encode_relay_head(
        message.sequence, message.group, message.type, message.body.size(), head);
    wire::encode_header(frame.header, std::span(came).template first<wire::header_size>());
    std::copy_n(
        frame.payload.begin(), came.size() - wire::header_size, came.begin() + wire::header_size);
    require(head == came, "one head for each message to others");
    require(message.body.size() + head.size() == frame.payload.size() + wire::header_size,
        "the body is the rest");
  }

  void note_received(std::size_t descriptors)
  {
    typename cohort::detail::incoming_messages<in, Codec>::received_type received;
    if (incoming_.box().take(received)) {
      received.visit([&](const auto& message) {
        log_.push_back({"message", received.message.index(), encoded<Codec>(message)});
      });
      require(received.handles.size() == descriptors && !received.handles_lost,
          "all handles of a message come with it");
    }
    require(incoming_.box().empty() && incoming_.box().bytes() == 0, "one message for each frame");
    const std::size_t waiting = incoming_.served().waiting_bytes();
    if (std::exchange(waiting_, waiting) != waiting) log_.push_back({"request", waiting, {}});
  }

  asio::io_context& io_;
  std::vector<happening> log_;
  std::size_t waiting_ = 0;
  cohort::detail::incoming_messages<in, Codec> incoming_;
};

/// What was received, and how it ended: without an error, when the stream could end there.
struct outcome {
  std::vector<happening> log;
  std::error_code error;
  /// It ended because of descriptors.
  bool descriptors_wrong = false;
};

template <class Codec>
outcome receive_whole(asio::io_context& io, byte_span stream)
{
  wire::frame_decoder decoder(max_message + 8);
  append(decoder, stream);
  receiver<Codec> end(io);
  outcome result;
  while (const auto frame = decoder.next(result.error)) {
    if (end.frame(*frame, {})) continue;
    result.error = cohort::error::protocol_violation;
    break;
  }
  if (!result.error) decoder.finish(result.error);
  result.log = end.end();
  return result;
}

/// As `frame_input` does it, with numbers for descriptors.
template <class Codec>
outcome receive_pieces(asio::io_context& io, std::span<const read_record> reads)
{
  wire::frame_decoder decoder(max_message + 8);
  wire::descriptor_queue<int> queue;
  receiver<Codec> end(io);
  outcome result;
  const auto read_one = [&](const read_record& read) {
    std::vector<int> batch(read.descriptors);
    queue.push(batch, read.truncated);
    append(decoder, read.data);
    while (const auto frame = decoder.next(result.error)) {
      if (const auto demanded = frame->header.descriptors) {
        std::error_code refused;
        queue.take(demanded, refused);
        if (refused) return false;
      }
      if (end.frame(*frame, {})) continue;
      result.error = cohort::error::protocol_violation;
      return true;
    }
    return static_cast<bool>(result.error) || queue.fits(decoder.awaited_descriptors());
  };
  for (const auto& read : reads) {
    if (result.error || result.descriptors_wrong) break;
    result.descriptors_wrong = !read_one(read);
  }
  if (!result.error) decoder.finish(result.error);
  result.log = end.end();
  return result;
}

inline void write(int socket, const read_record& piece, int descriptor)
{
  const std::vector<int> fds(piece.descriptors, descriptor);
  const iovec data{const_cast<std::byte*>(piece.data.data()), piece.data.size()};
  std::error_code error;
  const auto size = cohort::detail::posix::send_with_fds(socket, std::span(&data, 1), fds, error);
  require(size == piece.data.size(), "a socket has room for one piece");
}

/// By `frame_input` itself. The kernel sends no descriptors without a byte.
template <class Codec>
outcome receive_from_socket(asio::io_context& io, std::span<const read_record> reads)
{
  std::error_code error;
  auto [here, there] = cohort::detail::posix::stream_pair(error);
  require(!error, "a pair of sockets");
  const auto sent = cohort::detail::posix::stream_pair(error);
  cohort::detail::io::frame_input input(max_message + 8);
  receiver<Codec> end(io);
  outcome result;
  const auto read_one = [&] {
    const auto arrived = input.receive(here.get(), error);
    require(!error, "what was written can be read");
    std::optional<cohort::detail::io::frame_input::taken_descriptors> taken;
    while (const auto frame = input.next(taken, result.error)) {
      std::span<cohort::detail::posix::unique_fd> fds;
      if (taken) fds = taken->descriptors();
      if (end.frame(*frame, fds)) continue;
      result.error = cohort::error::protocol_violation;
      break;
    }
    if (!result.error && arrived.bytes == 0) result.error = input.end_reason();
  };
  for (const auto& piece : reads) {
    if (result.error) break;
    if (piece.data.empty()) continue;
    write(there.get(), piece, sent.first.get());
    read_one();
  }
  there.reset();
  if (!result.error) read_one();
  if (result.error == asio::error::eof) result.error.clear();
  result.log = end.end();
  return result;
}

template <class Codec>
void check(asio::io_context& io, byte_span input, bool by_socket)
{
  const auto reads = split_reads(input);
  std::vector<std::byte> stream;
  for (const auto& read : reads) stream.insert(stream.end(), read.data.begin(), read.data.end());
  const auto whole = receive_whole<Codec>(io, stream);
  auto pieces = receive_pieces<Codec>(io, reads);
  if (pieces.descriptors_wrong) {
    // Up to there nothing but messages of the stream; the last ones are the requests' ends.
    require(pieces.log.size() <= whole.log.size(), "nothing but messages of the stream");
    require(std::equal(pieces.log.begin(), pieces.log.end() - requests, whole.log.begin()),
        "the same messages until then");
  } else {
    require(pieces.error == whole.error, "the same end however the stream was cut");
    require(pieces.log == whole.log, "the same messages however the stream was cut");
  }
  // System calls take their time; nor does the kernel bring descriptors without a byte, or truncate
  // as one likes.
  std::size_t descriptors = 0;
  bool possible = reads.size() <= 16;
  for (const auto& read : reads) {
    descriptors += read.descriptors;
    if (read.truncated || (read.data.empty() && read.descriptors != 0)) possible = false;
  }
  if (descriptors > 16) possible = false;
  if (!by_socket || !possible) return;
  if (pieces.descriptors_wrong) pieces.error = cohort::error::protocol_violation;
  const auto received = receive_from_socket<Codec>(io, reads);
  require(received.error == pieces.error, "the same end through a socket");
  require(received.log == pieces.log, "the same messages through a socket");
}

} // namespace messages

/// With a context that outlives many inputs.
inline void check_messages(asio::io_context& io, byte_span input)
{
  if (input.empty()) return;
  const auto mode = static_cast<unsigned>(input.front());
  const bool by_socket = mode < 2;
  if (mode % 2 == 0) messages::check<messages::exact_codec>(io, input.subspan(1), by_socket);
  else messages::check<cohort::json_codec>(io, input.subspan(1), by_socket);
}

} // namespace cohort_test::fuzz
