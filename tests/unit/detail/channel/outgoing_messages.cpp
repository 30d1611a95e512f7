// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/outgoing_messages.hpp>

#include <doctest/doctest.h>

#include "support/event_loop.hpp"
#include "support/pipe_handles.hpp"
#include "support/test_messages.hpp"

#include <cohort/detail/posix/socket.hpp>

#include <asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace outgoing_messages_test {

using namespace cohort_test;
using cohort::channel_options;
using cohort::handle;
using cohort::send_status;
using cohort::detail::message_output;
namespace wire = cohort::detail::wire;

namespace {

// Queues, and writes when a test says so.
struct queueing_transport {
  message_output queue;
  bool open = true;

  const message_output& output() const noexcept { return queue; }
  bool is_open() const noexcept { return open; }
  void send(cohort::byte_sink& message, message_output::descriptors riders)
  {
    queue.push(message, std::move(riders));
  }
};

struct hungry_codec : throwing_codec {
  template <class Message>
  static void encode(Message&& message, cohort::byte_sink& out)
  {
    if (message.text == "hungry") throw std::bad_alloc();
    throwing_codec::encode(std::forward<Message>(message), out);
  }
};

struct fixture {
  asio::io_context context{1};
  queueing_transport transport;
  std::vector<handle> attached;
  cohort::detail::outgoing_messages<queueing_transport, hungry_codec> outgoing;

  explicit fixture(const channel_options& options = {})
      : outgoing(context.get_executor(), options, transport)
  {
  }

  send_status send(std::string text = std::string())
  {
    return outgoing.send(make_note(1, std::move(text)), wire::message_kind::message, 0, attached);
  }
  std::error_code try_to_send(std::string text)
  {
    return outgoing.try_to_send(
        make_note(1, std::move(text)), wire::message_kind::message, 0, attached);
  }
  void attach(std::size_t count)
  {
    const auto pipe = make_pipe();
    for (std::size_t i = 0; i != count; ++i) attached.push_back(pipe[0].duplicate());
  }
};

const std::size_t note_size = frame_of(note()).size();

} // namespace

TEST_CASE("handles that wait have their weight, and positions in the stream have none of it")
{
  fixture f(channel_options().queue_limit(10'000));
  CHECK(f.send() == send_status::accepted);
  CHECK(f.outgoing.queued_bytes() == note_size);
  f.attach(2);
  CHECK(f.send() == send_status::accepted);
  CHECK(f.attached.empty());
  CHECK(f.outgoing.queued_bytes() == 2 * note_size + 2 * channel_options::handle_weight);
  CHECK(f.transport.queue.queued_until() == 2 * note_size);
  f.attach(1);
  CHECK(f.send() == send_status::queue_full);
  CHECK(f.attached.size() == 1);
  f.transport.queue.fail();
  CHECK(f.outgoing.queued_bytes() == 0);
}

TEST_CASE("what was queued is flushed when its bytes are written, whatever its handles weigh")
{
  fixture f;
  std::error_code error;
  auto sockets = cohort::detail::posix::stream_pair(error);
  REQUIRE_FALSE(error);
  completion<> first, second, third;
  f.attach(3);
  f.send();
  f.outgoing.flushed(first.handler());
  run_ready(f.context);
  CHECK_FALSE(first.done());
  f.transport.queue.flush(sockets.first.get());
  f.outgoing.written();
  f.outgoing.flushed(second.handler());
  run_ready(f.context);
  CHECK(first.good());
  CHECK(second.good());
  CHECK(f.outgoing.queued_bytes() == 0);
  f.attach(1);
  f.send();
  f.outgoing.flushed(third.handler());
  f.transport.queue.fail();
  f.outgoing.written();
  run_ready(f.context);
  CHECK(third.error == cohort::error::disconnected);
  CHECK(f.send() == send_status::not_connected);
}

TEST_CASE("where nobody catches, what the codec throws is an error")
{
  fixture f;
  CHECK(f.try_to_send("fail") == std::errc::io_error);
  CHECK(f.try_to_send("hungry") == std::errc::not_enough_memory);
  CHECK(f.try_to_send("throw") == cohort::error::invalid_message);
  CHECK(f.outgoing.queued_bytes() == 0);
  CHECK_FALSE(f.try_to_send("good"));
  f.transport.open = false;
  CHECK(f.try_to_send("good") == cohort::error::disconnected);
}

TEST_CASE("a failure goes beyond the limit, but not for ever")
{
  fixture f(channel_options().queue_limit(note_size).high_water(note_size));
  CHECK(f.send() == send_status::accepted);
  CHECK(f.send() == send_status::queue_full);
  std::uint64_t number = 0;
  while (f.outgoing.send_failure(number)) REQUIRE(++number != 100);
  CHECK(number > 0);
  CHECK(f.outgoing.queued_bytes() > 2 * note_size);
  CHECK(f.outgoing.queued_bytes() <= 2 * note_size + wire::message_head_size);
}

} // namespace outgoing_messages_test
