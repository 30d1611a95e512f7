// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/self_core.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include "support/no_messages.hpp"
#include "support/noted_host.hpp"

#include <chrono>
#include <malloc.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace self_core_test {

using namespace cohort::detail;
using cohort::listen_options;
using cohort_test::no_messages;
using namespace std::chrono_literals;

namespace {

// The other end of a worker's channels, which notes what the worker says.
class played_primary : public std::enable_shared_from_this<played_primary> {
public:
  played_primary(
      const asio::any_io_executor& executor, posix::unique_fd control, posix::unique_fd messages)
      : channel_(executor, std::move(control), wire::max_control_payload),
        messages_(std::move(messages))
  {
  }

  void start() { channel_.start(shared_from_this()); }

  template <class Message>
  void send(const Message& message)
  {
    channel_.send(wire::control_frame(message).bytes());
    if constexpr (!std::is_same_v<Message, wire::drain>) return;
    // A primary ends its messages with it.
    std::error_code error;
    posix::shutdown_write(messages_.get(), error);
    CHECK(!error);
  }
  void send_raw(const std::vector<std::byte>& bytes) { channel_.send(bytes); }

  void offer(std::uint32_t listener, std::uint64_t first, std::uint16_t count)
  {
    wire::offer message;
    message.listener = listener;
    message.first = first;
    message.count = count;
    std::error_code error;
    std::vector<posix::unique_fd> sockets;
    std::vector<int> numbers;
    for (int i = 0; i != count; ++i) {
      sockets.push_back(posix::stream_pair(error).first);
      numbers.push_back(sockets.back().get());
    }
    CHECK(channel_.try_send(wire::control_frame(message).bytes(), numbers, error));
  }

  // What the worker asked for last, answered with a listener of this number.
  void grant_listen(std::uint32_t listener)
  {
    wire::listen_reply reply;
    reply.request = listens.back().request;
    reply.listener = listener;
    reply.address = listens.back().address;
    send(reply);
  }

  void close() { channel_.close(); }
  int messages() const { return messages_.get(); }

  void on_frame(const wire::frame_view& frame, io::received_descriptors&)
  {
    std::error_code error;
    wire::visit_from_worker(
        frame, [this](const auto& message) { note(message); }, error);
    CHECK_MESSAGE(!error, error.message());
  }
  void on_channel_end(std::error_code) { said.push_back("end"); }
  void on_channel_writable() {}

  std::vector<std::string> said;
  std::vector<wire::listen> listens;

private:
  void note(const wire::hello& message)
  {
    CHECK(message.protocol == wire::protocol_version);
    CHECK(message.library == cohort::version);
    said.push_back("hello");
  }
  void note(const wire::listen& message)
  {
    listens.push_back(message);
    said.push_back("listen " + std::to_string(message.index));
  }
  void note(const wire::listening& message)
  {
    said.push_back("listening " + std::to_string(message.listener));
  }
  void note(const wire::close& message)
  {
    said.push_back("close " + std::to_string(message.listener));
  }
  void note(const wire::credit& message)
  {
    said.push_back("credit " + std::to_string(message.window));
  }
  void note(const wire::taken& message)
  {
    said.push_back("taken " + std::to_string(message.first));
  }
  void note(const wire::refused& message)
  {
    said.push_back("refused " + std::to_string(message.first) + '+' +
                   std::to_string(message.count) +
                   (message.reason == wire::refuse_reason::draining ? " draining" : ""));
  }
  void note(const wire::released& message)
  {
    said.push_back("released " + std::to_string(message.count));
  }
  void note(const wire::accepted& message)
  {
    said.push_back("accepted " + std::to_string(message.count));
  }
  void note(const wire::load& message) { said.push_back("load " + std::to_string(message.value)); }
  void note(const wire::served& message)
  {
    said.push_back("served " + std::to_string(message.count));
  }
  void note(const wire::ready&) { said.push_back("ready"); }
  void note(const wire::replace&) { said.push_back("replace"); }
  void note(const wire::relays&) { said.push_back("relays"); }
  void note(const wire::beat&) { said.push_back("beat"); }
  void note(const wire::reload& message) { said.push_back("reload " + message.group.text()); }
  void note(const wire::value& message)
  {
    said.push_back(message.name.text() + '=' + message.text.text());
  }
  void note(const wire::leaving&) { said.push_back("leaving"); }
  void note(const wire::bye&) { said.push_back("bye"); }

  io::frame_channel<played_primary> channel_;
  posix::unique_fd messages_;
};

using strings = std::vector<std::string>;

struct self_test {
  explicit self_test(const message_side& side = no_messages())
  {
    std::error_code error;
    auto control = posix::stream_pair(error);
    auto messages = posix::stream_pair(error);
    REQUIRE(!error);
    primary = std::make_shared<played_primary>(
        context.get_executor(), std::move(control.first), std::move(messages.first));
    posix::worker_channels channels;
    channels.control = std::move(control.second);
    channels.messages = std::move(messages.second);
    self = std::make_shared<self_core>(
        context.get_executor(), std::move(channels), side, cohort::channel_options());
    // Never let a test's process end.
    self->loss().set_drain(30s);
    primary->start();
    self->start();
    expect({"hello"});
  }
  ~self_test()
  {
    source.reset();
    self->abandon();
    primary->close();
  }

  // What the worker says next, exactly.
  void expect(const strings& lines)
  {
    cohort_test::run_bounded(context, [&] { return primary->said.size() >= lines.size(); });
    run();
    CHECK(std::exchange(primary->said, {}) == lines);
  }

  void run()
  {
    context.restart();
    context.poll();
  }
  template <class Done>
  bool run_until(Done done)
  {
    return cohort_test::run_bounded(context, done);
  }

  static posix::socket_address loopback(std::uint16_t port = 0)
  {
    std::error_code error;
    return posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
  }

  auto note_source()
  {
    return [this](std::error_code error, std::shared_ptr<accept_source> made) {
      listened = error;
      source = std::move(made);
    };
  }
  void listen(std::uint16_t port, const listen_options& options = listen_options())
  {
    listened.reset();
    self->listen(note_source(), listen_key(wire::listen_kind::tcp, loopback(port)), options);
  }
  // A listener with this number.
  void joined(std::uint32_t number)
  {
    listen(4711);
    expect({"listen 0"});
    primary->grant_listen(number);
    CHECK(run_until([&] { return listened.has_value(); }));
    REQUIRE(source);
    expect({"listening " + std::to_string(number)});
  }

  void accept()
  {
    source->add([this](std::error_code error, accepted result) {
      if (error) errors.push_back(error);
      else taken.push_back(std::move(result));
    });
  }

  asio::io_context context{1};
  std::shared_ptr<played_primary> primary;
  std::shared_ptr<self_core> self;
  std::optional<std::error_code> listened;
  std::shared_ptr<accept_source> source;
  std::vector<accepted> taken;
  std::vector<std::error_code> errors;
};

using numbers = cohort::messages<int>;
using number_core = message_core<list_of_t<numbers>, list_of_t<numbers>, cohort::binary_codec>;

// A side that receives numbers, and gives the core of its channel.
message_side receives_numbers(std::shared_ptr<number_core>& opened)
{
  using protocol = cohort::protocol<numbers, numbers, cohort::binary_codec>;
  return describe_side<numbers, numbers, protocol>([&opened](number_core& core) {
    core.start();
    opened = core.shared_from_this();
  });
}

void write_number(int fd, int number)
{
  message_encoder<cohort::binary_codec> encoder{cohort::channel_options()};
  encoder.encode(number, wire::message_kind::message, 0, {}, 0);
  const auto bytes = encoder.frame().bytes();
  REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

struct noted_end {
  explicit noted_end(latch<>& when)
  {
    when.add([this](std::error_code error) { seen = error; });
  }
  std::optional<std::error_code> seen;
};

} // namespace

TEST_CASE("a worker asks its primary to listen, with its options")
{
  self_test test;
  test.listen(4711, listen_options().backlog(5).mode(0640).ipv6_only(true).hold_when_empty(true));
  test.expect({"listen 0"});
  const wire::listen& asked = test.primary->listens.at(0);
  CHECK(asked.kind == wire::listen_kind::tcp);
  CHECK(asked.backlog == 5);
  CHECK(asked.mode == 0640);
  CHECK(asked.flags == (wire::listen_ipv6_only | wire::listen_hold_when_empty));
  CHECK(asked.address == wire::address_bytes(self_test::loopback(4711).bytes()));
  CHECK_FALSE(test.listened.has_value());
  test.primary->grant_listen(1);
  CHECK(test.run_until([&] { return test.listened.has_value(); }));
  CHECK(!*test.listened);
  REQUIRE(test.source);
  CHECK(test.source->local_address() == self_test::loopback(4711));
}

TEST_CASE("what the primary could not bind is an error here")
{
  self_test test;
  test.listen(4711);
  test.expect({"listen 0"});
  wire::listen_reply reply;
  reply.request = test.primary->listens.at(0).request;
  reply.category = wire::error_kind::system;
  reply.value = EADDRINUSE;
  test.primary->send(reply);
  CHECK(test.run_until([&] { return test.listened.has_value(); }));
  CHECK(test.listened == std::errc::address_in_use);
  CHECK_FALSE(test.source);

  test.listen(4711);
  test.expect({"listen 0"});
  reply.request = test.primary->listens.at(1).request;
  reply.category = wire::error_kind::cohort;
  reply.value = static_cast<int>(cohort::error::draining);
  test.primary->send(reply);
  CHECK(test.run_until([&] { return test.listened.has_value(); }));
  CHECK(test.listened == cohort::error::draining);
}

TEST_CASE("each open listen on port 0 has an index, the lowest that is free")
{
  self_test test;
  test.listen(0);
  test.expect({"listen 0"});
  test.listen(0);
  test.expect({"listen 1"});
  test.listen(4711);
  test.expect({"listen 0"});
  wire::listen_reply reply;
  reply.request = test.primary->listens.at(0).request;
  reply.listener = 1;
  reply.address = wire::address_bytes(self_test::loopback(5000).bytes());
  test.primary->send(reply);
  CHECK(test.run_until([&] { return test.source != nullptr; }));
  test.expect({"listening 1"});
  test.listen(0);
  test.expect({"listen 2"});
  test.source->close(asio::error::operation_aborted);
  test.listen(0);
  test.expect({"close 1", "listen 0"});
}

TEST_CASE("a listen that was cancelled leaves the listener when the answer comes")
{
  self_test test;
  asio::cancellation_signal signal;
  test.self->listen(asio::bind_cancellation_slot(signal.slot(), test.note_source()),
      listen_key(wire::listen_kind::tcp, self_test::loopback(4711)), listen_options());
  test.expect({"listen 0"});
  signal.emit(asio::cancellation_type::total);
  test.run();
  CHECK(test.listened == asio::error::operation_aborted);
  test.primary->grant_listen(3);
  test.expect({"close 3"});
}

TEST_CASE("a connection that is offered is taken by who accepts")
{
  self_test test;
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  test.primary->offer(1, 10, 1);
  test.expect({"taken 10"});
  CHECK(test.taken.size() == 1);
  test.taken.clear();
  test.expect({"released 1"});
}

TEST_CASE("a worker that is watched is heard, and tells its values")
{
  self_test test;
  test.self->report_value("a", "1");
  test.expect({"a=1"});
  test.primary->send(wire::watch{1});
  CHECK(cohort_test::run_bounded(test.context, [&] { return test.primary->said.size() >= 2; }));
  for (const std::string& each : test.primary->said) CHECK(each == "beat");
}

TEST_CASE("a worker says once that it serves, and that it wants to be replaced")
{
  self_test test;
  test.self->ready();
  test.self->ready();
  test.self->request_replacement();
  test.self->request_done(2);
  test.self->request_done(1);
  test.self->request_replacement();
  test.expect({"ready", "replace", "served 3"});
}

TEST_CASE("what is reported of the load in one turn of the loop is told once, and only news")
{
  self_test test;
  test.self->report_load(0);
  test.self->report_load(3);
  test.self->report_load(7);
  test.expect({"load 7"});
  test.self->report_load(7);
  test.self->report_load(9);
  test.expect({"load 9"});
}

TEST_CASE("an offer for a listener that was left goes back")
{
  self_test test;
  test.joined(1);
  test.source->close(asio::error::operation_aborted);
  test.expect({"close 1"});
  test.primary->offer(1, 10, 2);
  test.expect({"refused 10+2 draining"});
}

TEST_CASE("a leave is announced, and ends when the primary has confirmed everything")
{
  self_test test;
  test.joined(1);
  noted_end draining(test.self->drain_requested());
  noted_end left(test.self->left());
  test.accept();
  test.expect({"credit 16"});
  test.self->leave();
  test.expect({"leaving"});
  // What is offered before the primary's word that nothing follows is taken: it may be a last call.
  test.primary->offer(1, 10, 2);
  test.expect({"taken 10"});
  CHECK(test.taken.size() == 1);
  CHECK_FALSE(test.self->draining());
  test.accept();
  test.accept();
  test.expect({"taken 11"});
  CHECK(test.errors.empty());
  test.primary->send(wire::drain());
  CHECK(test.run_until([&] { return test.self->draining(); }));
  test.run();
  CHECK(draining.seen == std::error_code());
  CHECK(test.errors == std::vector<std::error_code>{cohort::error::draining});
  CHECK(test.primary->said.empty());
  test.source.reset();
  test.taken.clear();
  test.expect({"released 2", "bye"});
  CHECK_FALSE(left.seen.has_value());
  CHECK(test.self->is_connected());
  test.primary->send(wire::bye_ack());
  test.expect({"end"});
  CHECK(left.seen == std::error_code());
  CHECK_FALSE(test.self->is_connected());
  test.self->leave();
  test.run();
}

TEST_CASE("a worker that wants to leave announces it once, and listens nowhere else")
{
  self_test test;
  test.self->leave();
  test.self->leave();
  test.expect({"leaving"});
  test.listen(4711);
  test.run();
  CHECK(test.listened == cohort::error::draining);
  CHECK(test.primary->said.empty());
  test.primary->send(wire::drain());
  test.expect({"bye"});
}

TEST_CASE("a worker that wants to leave drains by itself when its primary goes away first")
{
  self_test test;
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  test.self->leave();
  test.expect({"leaving"});
  noted_end left(test.self->left());
  test.primary->close();
  CHECK(test.run_until([&] { return left.seen.has_value(); }));
  CHECK(test.errors == std::vector<std::error_code>{cohort::error::draining});
}

TEST_CASE(
    "a worker that ends itself gives everything back, though a connection lives, and says bye")
{
  self_test test;
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  test.primary->offer(1, 10, 2);
  test.expect({"taken 10"});
  noted_end left(test.self->left());
  test.self->kill(3);
  CHECK(test.self->draining());
  // The listener is left as well, which ends a last call there.
  test.expect({"refused 11+1 draining", "close 1", "leaving"});
  test.listen(4712);
  test.run();
  CHECK(test.listened == cohort::error::draining);
  // What comes nevertheless goes back, and the first call counts.
  test.primary->offer(1, 20, 1);
  test.self->kill(4);
  test.expect({"refused 20+1 draining"});
  test.primary->send(wire::drain());
  test.expect({"bye"});
  CHECK(test.taken.size() == 1);
  CHECK_FALSE(left.seen.has_value());
}

TEST_CASE(
    "a worker that ends itself while it leaves ends its last call, and announces nothing twice")
{
  self_test test;
  test.joined(1);
  test.self->leave();
  test.expect({"leaving"});
  test.self->kill(0);
  test.expect({"close 1"});
}

TEST_CASE("a worker that drains and is ended waits for its connections no more")
{
  self_test test;
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  test.primary->offer(1, 10, 1);
  test.expect({"taken 10"});
  test.primary->send(wire::drain());
  test.run_until([&] { return test.self->draining(); });
  CHECK(test.primary->said.empty());
  test.self->kill(0);
  test.expect({"bye"});
  // They end behind it, and nobody wants to know.
  test.taken.clear();
  test.run();
  CHECK(test.primary->said.empty());
}

TEST_CASE("a worker that ends itself writes its messages before the bye, and reads none")
{
  std::shared_ptr<number_core> messages;
  self_test test(receives_numbers(messages));
  // More than the socket holds.
  std::vector<cohort::handle> none;
  std::size_t sent = 0;
  while (sent != 100'000) {
    CHECK(cohort::is_sent(messages->send(4711, none)));
    ++sent;
  }
  write_number(test.primary->messages(), 1);
  test.self->kill(0);
  test.primary->send(wire::drain());
  test.expect({"leaving"});
  std::size_t bytes = 0;
  std::vector<std::byte> room(64 * 1024);
  for (ssize_t got = 1; got != 0;) {
    got = ::recv(test.primary->messages(), room.data(), room.size(), MSG_DONTWAIT);
    if (got > 0) bytes += static_cast<std::size_t>(got);
    else if (got < 0) test.run();
  }
  CHECK(bytes > sent * wire::header_size);
  test.expect({"bye"});
  messages.reset();
}

TEST_CASE("a drain that the primary asks for is not announced")
{
  self_test test;
  noted_end draining(test.self->drain_requested());
  test.primary->send(wire::drain());
  test.expect({"bye"});
  CHECK(draining.seen == std::error_code());
}

TEST_CASE("nobody says bye while a connection lives")
{
  self_test test;
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  test.primary->offer(1, 10, 1);
  test.expect({"taken 10"});
  test.primary->send(wire::drain());
  CHECK(test.run_until([&] { return test.self->draining(); }));
  test.run();
  CHECK(test.primary->said.empty());
  test.source.reset();
  test.taken.clear();
  test.expect({"released 1", "bye"});
}

TEST_CASE("the message channel ends before the bye")
{
  self_test test;
  test.primary->send(wire::drain());
  test.expect({"bye"});
  char byte = 0;
  CHECK(::recv(test.primary->messages(), &byte, 1, MSG_DONTWAIT) == 0);
}

TEST_CASE("a listen while draining fails, as do those that are under way")
{
  self_test test;
  test.listen(4711);
  test.expect({"listen 0"});
  test.primary->send(wire::drain());
  CHECK(test.run_until([&] { return test.listened.has_value(); }));
  CHECK(test.listened == cohort::error::draining);
  test.primary->said.clear();
  test.listen(4712);
  CHECK_FALSE(test.listened.has_value());
  test.run();
  CHECK(test.listened == cohort::error::draining);
  CHECK(test.primary->listens.size() == 1);
}

TEST_CASE("behind its bye a worker says nothing, whatever is reported or ends")
{
  self_test test;
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  test.primary->offer(1, 10, 1);
  test.expect({"taken 10"});
  test.primary->send(wire::drain());
  CHECK(test.run_until([&] { return test.self->draining(); }));
  test.taken.clear();
  test.expect({"released 1", "bye"});
  test.self->report_load(8);
  test.run();
  test.primary->send(wire::bye_ack());
  test.expect({"end"});
}

TEST_CASE("a worker that drains when its primary goes away goes on")
{
  self_test test;
  test.self->loss().set_drain(std::nullopt);
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  test.primary->offer(1, 10, 1);
  test.expect({"taken 10"});
  test.primary->send(wire::drain());
  CHECK(test.run_until([&] { return test.self->draining(); }));
  noted_end left(test.self->left());
  test.primary->close();
  CHECK(test.run_until([&] { return !test.self->is_connected(); }));
  test.run();
  CHECK_FALSE(left.seen.has_value());
  test.taken.clear();
  CHECK(test.run_until([&] { return left.seen.has_value(); }));
  CHECK(left.seen == std::error_code());
}

TEST_CASE("last words that throw end every wait first")
{
  self_test test;
  test.self->loss().set_drain(std::nullopt);
  test.self->loss().set_last_words([]() -> int { throw std::runtime_error("not today"); });
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  noted_end left(test.self->left());
  noted_end draining(test.self->drain_requested());
  test.primary->close();
  CHECK_THROWS_AS(test.run_until([&] { return left.seen.has_value(); }), std::runtime_error);
  test.run();
  CHECK(left.seen == std::error_code());
  CHECK(draining.seen == std::error_code());
  CHECK(test.errors == std::vector<std::error_code>{cohort::error::draining});
}

TEST_CASE("when the primary goes away, a worker that may drain does")
{
  self_test test;
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  test.primary->offer(1, 10, 1);
  test.expect({"taken 10"});
  test.accept();
  noted_end left(test.self->left());
  test.primary->close();
  CHECK(test.run_until([&] { return test.self->draining(); }));
  test.run();
  CHECK(test.errors == std::vector<std::error_code>{cohort::error::draining});
  CHECK_FALSE(test.self->is_connected());
  CHECK_FALSE(left.seen.has_value());
  test.taken.clear();
  CHECK(test.run_until([&] { return left.seen.has_value(); }));
  CHECK(!*left.seen);
}

TEST_CASE("a worker that cuts its channel drains when it may, though nobody asked for it")
{
  self_test test;
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  test.primary->offer(1, 10, 1);
  test.expect({"taken 10"});
  noted_end left(test.self->left());
  test.self->close_channel();
  CHECK_FALSE(test.self->is_connected());
  // Not inside the call; and again it is nothing.
  CHECK_FALSE(test.self->draining());
  test.self->close_channel();
  test.expect({"end"});
  CHECK(test.self->draining());
  CHECK_FALSE(left.seen.has_value());
  test.taken.clear();
  CHECK(test.run_until([&] { return left.seen.has_value(); }));
  test.self->close_channel();
  test.run();
  CHECK(test.primary->said.empty());
}

TEST_CASE("a worker that has said bye has left when it cuts its channel")
{
  self_test test;
  noted_end left(test.self->left());
  test.primary->send(wire::drain());
  test.expect({"bye"});
  test.self->close_channel();
  CHECK(test.run_until([&] { return left.seen.has_value(); }));
  CHECK(!*left.seen);
}

TEST_CASE("what a primary had sent before it went away can still be received")
{
  std::shared_ptr<number_core> messages;
  self_test test(receives_numbers(messages));
  REQUIRE(messages);
  for (const int number : {1, 2}) write_number(test.primary->messages(), number);
  test.primary->close();
  noted_end left(test.self->left());
  CHECK(test.run_until([&] { return left.seen.has_value(); }));
  number_core::received received;
  std::vector<int> got;
  while (messages->take(received)) got.push_back(std::get<int>(received.message));
  CHECK(got == std::vector{1, 2});
  // Before the context.
  messages.reset();
}

TEST_CASE("without a primary nothing is listened on")
{
  self_test test;
  test.primary->close();
  CHECK(test.run_until([&] { return test.self->draining(); }));
  test.listen(4711);
  test.run();
  CHECK(test.listened == cohort::error::draining);
}

TEST_CASE("whose turn it is may cross a close, and goes on with what follows")
{
  self_test test;
  test.joined(1);
  wire::turn turn;
  turn.go = 0;
  for (const std::uint32_t listener : {1U, 2U}) {
    turn.listener = listener;
    test.primary->send(turn);
  }
  // Whom it is offered it does not leave to others.
  test.accept();
  test.expect({"credit 16"});
  test.primary->offer(1, 10, 1);
  test.expect({"taken 10"});
  CHECK(test.taken.size() == 1);
  test.taken.clear();
  test.expect({"released 1"});
  test.source->close(asio::error::operation_aborted);
  test.expect({"close 1"});
  turn.listener = 1;
  test.primary->send(turn);
  test.primary->offer(1, 11, 1);
  test.expect({"refused 11+1 draining"});
}

TEST_CASE("a primary that says neither that it may go nor that it may not is left")
{
  self_test test;
  wire::turn turn;
  turn.go = 2;
  test.primary->send(turn);
  test.expect({"end"});
  CHECK_FALSE(test.self->is_connected());
}

TEST_CASE("a primary that breaks the protocol is left")
{
  self_test test;
  noted_end left(test.self->left());
  // A frame that only a worker may send.
  test.primary->send(wire::leaving());
  test.expect({"end"});
  CHECK(test.self->draining());
  CHECK_FALSE(test.self->is_connected());
  CHECK(left.seen == std::error_code());
}

TEST_CASE("bytes that are no frame are a violation")
{
  self_test test;
  test.primary->send_raw(std::vector<std::byte>(64, std::byte(0xff)));
  test.expect({"end"});
  CHECK(test.self->draining());
}

TEST_CASE("bytes that are no message are a violation as well")
{
  std::shared_ptr<number_core> messages;
  self_test test(receives_numbers(messages));
  noted_end left(test.self->left());
  const std::string garbage(64, '\xff');
  REQUIRE(::write(test.primary->messages(), garbage.data(), garbage.size()) == 64);
  messages->want();
  messages->read_ahead();
  CHECK(test.run_until([&] { return left.seen.has_value(); }));
  CHECK_FALSE(test.self->is_connected());
  CHECK(test.self->draining());
  messages.reset();
}

TEST_CASE("an answer to a listen that nobody asked for is left at once")
{
  self_test test;
  wire::listen_reply reply;
  reply.request = 99;
  reply.listener = 5;
  reply.address = wire::address_bytes(self_test::loopback(1).bytes());
  test.primary->send(reply);
  test.expect({"close 5"});
}

TEST_CASE("giving everything up ends the waits without a word")
{
  self_test test;
  test.joined(1);
  test.accept();
  test.expect({"credit 16"});
  noted_end draining(test.self->drain_requested());
  noted_end left(test.self->left());
  test.self->abandon();
  test.expect({"end"});
  CHECK(test.errors == std::vector<std::error_code>{asio::error::operation_aborted});
  CHECK(draining.seen == asio::error::operation_aborted);
  CHECK(left.seen == asio::error::operation_aborted);
}

TEST_CASE("an exclusive listen binds here and asks nobody")
{
  self_test test;
  test.listen(0, listen_options().exclusive(true));
  CHECK_FALSE(test.listened.has_value());
  test.run();
  REQUIRE(test.source);
  CHECK(test.source->local_address().port() != 0);
  CHECK(test.primary->said.empty());
}

TEST_CASE("a worker that stands alone binds for itself, and only its own drain ends it")
{
  asio::io_context context;
  const auto self = std::make_shared<self_core>(
      context.get_executor(), posix::worker_channels(), no_messages(), cohort::channel_options());
  CHECK(self->standalone());
  CHECK_FALSE(self->is_connected());
  std::shared_ptr<accept_source> source;
  self->listen([&](std::error_code, std::shared_ptr<accept_source> made) { source = made; },
      listen_key(wire::listen_kind::tcp, self_test::loopback()), listen_options());
  context.poll();
  REQUIRE(source);
  noted_end left(self->left());
  self->close_channel();
  context.restart();
  context.poll();
  CHECK_FALSE(left.seen.has_value());
  self->leave();
  context.restart();
  context.run_for(10s);
  CHECK(left.seen == std::error_code());
  CHECK_FALSE(source->is_open());
}

TEST_CASE("listeners that have closed leave nothing behind")
{
  asio::io_context context;
  const auto self = std::make_shared<self_core>(
      context.get_executor(), posix::worker_channels(), no_messages(), cohort::channel_options());
  const auto listen_once = [&] {
    std::shared_ptr<accept_source> source;
    self->listen([&](std::error_code, std::shared_ptr<accept_source> made) { source = made; },
        listen_key(wire::listen_kind::tcp, self_test::loopback()), listen_options());
    context.restart();
    context.poll();
    REQUIRE(source);
    source->close(asio::error::operation_aborted);
  };
  for (int i = 0; i != 100; ++i) listen_once();
  const auto before = ::mallinfo2().uordblks;
  for (int i = 0; i != 1000; ++i) listen_once();
  CHECK(::mallinfo2().uordblks < before + 64 * 1024);
}

TEST_CASE("an error of binding alone is the result")
{
  asio::io_context context;
  const auto self = std::make_shared<self_core>(
      context.get_executor(), posix::worker_channels(), no_messages(), cohort::channel_options());
  std::error_code error;
  const auto other = posix::listen_stream(self_test::loopback(), posix::listen_settings(), error);
  std::error_code seen;
  self->listen([&](std::error_code e, std::shared_ptr<accept_source>) { seen = e; },
      listen_key(wire::listen_kind::tcp, posix::local_address(other.get(), error)),
      listen_options());
  context.poll();
  CHECK(seen == std::errc::address_in_use);
}

TEST_CASE("a worker that waits for nothing else keeps its context going while it is connected")
{
  self_test test;
  test.run();
  CHECK_FALSE(test.context.stopped());
  test.primary->send(wire::drain());
  test.expect({"bye"});
  test.primary->send(wire::bye_ack());
  test.expect({"end"});
  test.primary->close();
  CHECK(test.run_until([&] { return test.context.stopped(); }));
}

} // namespace self_core_test
