// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/message_encoder.hpp>

#include <doctest/doctest.h>

#include <cohort/detail/wire/frame.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <system_error>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace message_encoder_test {

namespace {

namespace wire = cohort::detail::wire;
using cohort::handle;
using cohort::send_status;

struct text {
  std::string value;
};

// The characters themselves, so that sizes are what the test says.
struct text_codec {
  static inline int calls = 0;

  template <class Message>
  static void encode(Message&& message, cohort::byte_sink& out)
  {
    ++calls;
    if (message.value == "throw") {
      out.append("half a message");
      throw std::runtime_error("codec");
    }
    if constexpr (std::is_lvalue_reference_v<Message>) out.append(message.value);
    else out.adopt(std::move(message.value));
  }
  template <class Message>
  static constexpr std::uint32_t schema()
  {
    return 0x12345678;
  }
};

using encoder_type = cohort::detail::message_encoder<text_codec>;
constexpr std::size_t head = wire::message_head_size;

text of_size(std::size_t size) { return {std::string(size, 'x')}; }

struct fixture {
  encoder_type encoder;
  std::vector<handle> attached;

  explicit fixture(const cohort::channel_options& options = {}) : encoder(options)
  {
    text_codec::calls = 0;
  }

  send_status encode(std::size_t body, std::size_t queued = 0)
  {
    return encoder.encode(of_size(body), wire::message_kind::message, 0, attached, queued);
  }
};

// A frame as a peer would read it, whole.
struct decoded {
  wire::frame_decoder decoder{std::numeric_limits<std::uint32_t>::max()};
  std::optional<wire::frame_view> frame;
  std::optional<wire::message_view> message;

  explicit decoded(const cohort::byte_sink& sink)
  {
    const auto bytes = sink.bytes();
    const auto room = decoder.prepare(bytes.size());
    std::copy(bytes.begin(), bytes.end(), room.begin());
    decoder.commit(bytes.size());
    std::error_code error;
    frame = decoder.next(error);
    REQUIRE(frame);
    message = wire::decode_message(*frame);
    REQUIRE(message);
    CHECK(decoder.buffered() == 0);
  }

  std::string body() const
  {
    return std::string(reinterpret_cast<const char*>(message->body.data()), message->body.size());
  }
};

handle some_pipe()
{
  std::array<int, 2> ends{-1, -1};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  ::close(ends[1]);
  return handle::adopt(ends[0]);
}

} // namespace

TEST_CASE("a message becomes a frame with its kind, number, type, layout and count of descriptors")
{
  fixture f;
  for (int i = 0; i != 3; ++i) f.attached.push_back(some_pipe());
  const text message{"hello"};
  CHECK(f.encoder.encode(message, wire::message_kind::request, 77, f.attached, 0) ==
        send_status::accepted);
  const decoded got(f.encoder.frame());
  CHECK(got.message->kind == wire::message_kind::request);
  CHECK(got.message->sequence == 77);
  CHECK(got.message->type.type == cohort::message_id<text>());
  CHECK(got.message->type.schema == 0x12345678);
  CHECK(got.frame->header.descriptors == 3);
  CHECK(got.body() == "hello");
  CHECK(message.value == "hello");
  CHECK(f.attached.size() == 3);
}

TEST_CASE("each frame replaces the one before, also one whose codec threw in its middle")
{
  fixture f;
  f.encode(100);
  CHECK_THROWS_AS(f.encoder.encode(text{"throw"}, wire::message_kind::message, 0, f.attached, 0),
      std::runtime_error);
  CHECK(f.encoder.encode(text{"good"}, wire::message_kind::message, 0, f.attached, 0) ==
        send_status::accepted);
  CHECK(decoded(f.encoder.frame()).body() == "good");
}

TEST_CASE("the largest message is as large as the limit says, without its head")
{
  fixture f(cohort::channel_options().max_message_size(1'000));
  CHECK(f.encode(1'000) == send_status::accepted);
  CHECK(f.encoder.frame().size() == head + 1'000);
  CHECK(f.encode(1'001) == send_status::message_too_large);
  // It may be very large, and is not kept.
  CHECK(f.encoder.frame().size() == 0);
  CHECK(f.encode(0) == send_status::accepted);
  CHECK(decoded(f.encoder.frame()).body().empty());
}

TEST_CASE("the queue is filled to its limit exactly, heads included")
{
  fixture f(cohort::channel_options().queue_limit(1'000));
  CHECK(is_sent(f.encode(100, 900 - head)));
  CHECK(f.encode(100, 901 - head) == send_status::queue_full);
  CHECK(is_sent(f.encode(1'000 - head)));
  // It would not fit into the empty queue either.
  CHECK(f.encode(1'001 - head) == send_status::message_too_large);
  CHECK(f.encode(1'001 - head, 500) == send_status::message_too_large);
}

TEST_CASE("a queue that is full already costs no encoding")
{
  fixture f(cohort::channel_options().queue_limit(1'000));
  CHECK(f.encode(1, 1'000) == send_status::queue_full);
  CHECK(f.encode(1, 5'000) == send_status::queue_full);
  CHECK(text_codec::calls == 0);
  CHECK(f.encode(1, 999) == send_status::queue_full);
  CHECK(text_codec::calls == 1);
}

TEST_CASE("more than the high-water mark is congestion, as much as it is not")
{
  fixture f(cohort::channel_options().high_water(1'000));
  CHECK(f.encode(100, 900 - head) == send_status::accepted);
  CHECK(f.encode(101, 900 - head) == send_status::congested);
  CHECK(f.encode(5'000) == send_status::congested);
}

TEST_CASE("each handle counts towards the mark and the limit, as on the other side")
{
  constexpr std::size_t weight = cohort::channel_options::handle_weight;
  fixture f(cohort::channel_options().high_water(2 * weight).queue_limit(3 * weight));
  f.attached.push_back(some_pipe());
  CHECK(f.encode(100, weight - head - 100) == send_status::accepted);
  CHECK(f.encode(101, weight - head - 100) == send_status::congested);
  CHECK(f.encode(100, 2 * weight - head - 100) == send_status::congested);
  CHECK(f.encode(101, 2 * weight - head - 100) == send_status::queue_full);
  f.attached.push_back(some_pipe());
  CHECK(f.encode(weight - head) == send_status::congested);
  // It would not fit into the empty queue either.
  CHECK(f.encode(weight - head + 1) == send_status::message_too_large);
}

TEST_CASE("a large message that is given away is not copied")
{
  fixture f;
  text large = of_size(cohort::byte_sink::adopt_threshold);
  CHECK(is_sent(f.encoder.encode(large, wire::message_kind::message, 0, f.attached, 0)));
  CHECK(f.encoder.frame().adopted().empty());
  const void* const address = large.value.data();
  CHECK(is_sent(f.encoder.encode(std::move(large), wire::message_kind::message, 0, f.attached, 0)));
  REQUIRE(f.encoder.frame().adopted().size() == 1);
  CHECK(f.encoder.frame().adopted()[0].bytes.data() == address);
  CHECK(decoded(f.encoder.frame()).body().size() == cohort::byte_sink::adopt_threshold);
}

TEST_CASE("64 handles go with a message, and one more, or one that cannot be sent, refuse it")
{
  fixture f;
  for (int i = 0; i != 64; ++i) f.attached.push_back(some_pipe());
  CHECK(f.encode(1) == send_status::accepted);
  CHECK(decoded(f.encoder.frame()).frame->header.descriptors == 64);
  f.attached.push_back(some_pipe());
  CHECK(f.encode(1) == send_status::handle_refused);
  CHECK(f.attached.size() == 65);
  for (const handle& each : f.attached) CHECK(each.native_handle() >= 0);
  f.attached.clear();
  f.attached.push_back(some_pipe());
  f.attached.push_back(handle::adopt(::epoll_create1(EPOLL_CLOEXEC)));
  CHECK(f.encode(1) == send_status::handle_refused);
  f.attached.pop_back();
  f.attached.emplace_back(); // nothing
  CHECK(f.encode(1) == send_status::handle_refused);
  CHECK(text_codec::calls == 1);
}

TEST_CASE("descriptors are taken in order, and leave no handle behind")
{
  std::vector<handle> attached;
  std::vector<int> numbers;
  for (int i = 0; i != 3; ++i) {
    attached.push_back(some_pipe());
    numbers.push_back(attached.back().native_handle());
  }
  const auto taken = encoder_type::take_descriptors(attached);
  CHECK(attached.empty());
  REQUIRE(taken.size() == 3);
  for (std::size_t i = 0; i != 3; ++i) CHECK(taken[i].get() == numbers[i]);
  CHECK(encoder_type::take_descriptors(attached).empty());
}

TEST_CASE("a failure repeats the number of its request and says nothing else")
{
  fixture f;
  f.encode(100);
  CHECK(f.encoder.encode_failure(99, 0));
  const decoded got(f.encoder.frame());
  CHECK(got.message->kind == wire::message_kind::failure);
  CHECK(got.message->sequence == 99);
  CHECK(got.message->type == wire::message_type_id());
  CHECK(got.frame->header.descriptors == 0);
  CHECK(got.body().empty());
}

TEST_CASE("failures go beyond the queue's limit, as far as the high-water mark is high")
{
  fixture f(cohort::channel_options().queue_limit(1'000).high_water(300));
  CHECK(f.encoder.encode_failure(1, 1'000));
  CHECK(f.encoder.encode_failure(1, 1'300));
  CHECK_FALSE(f.encoder.encode_failure(1, 1'301));
  fixture unlimited(cohort::channel_options().queue_limit(std::numeric_limits<std::size_t>::max()));
  CHECK(unlimited.encoder.encode_failure(1, std::numeric_limits<std::size_t>::max()));
}

TEST_CASE("a message to others is held to the same bounds, its receiver's name included")
{
  fixture test(cohort::channel_options().max_message_size(100).high_water(150).queue_limit(300));
  auto& encoder = test.encoder;
  CHECK(encoder.encode_relay(of_size(95), 0, "web", 0) == send_status::accepted);
  CHECK(encoder.frame().size() == wire::relay_head_size(3) + 95);
  // With two bytes for the size of the name this is what the receiver takes.
  const auto header =
      wire::decode_header(std::span(encoder.frame().copied()).first<wire::header_size>());
  CHECK(header.length == 100 + 8);
  CHECK(encoder.encode_relay(of_size(96), 0, "web", 0) == send_status::message_too_large);
  CHECK(encoder.encode_relay(of_size(98), 7, "", 0) == send_status::accepted);
  CHECK(encoder.encode_relay(of_size(10), 7, "", 130) == send_status::congested);
  CHECK(encoder.encode_relay(of_size(10), 7, "", 290) == send_status::queue_full);
  CHECK_THROWS(encoder.encode_relay(text{"throw"}, 7, "", 0));
}

TEST_CASE("what is passed on is the body as it came, unless the receiver is congested")
{
  fixture test(cohort::channel_options().max_message_size(100).high_water(150).queue_limit(300));
  const std::vector<std::byte> body(100, std::byte('b'));
  wire::message_view view;
  view.type = {3, 4};
  view.body = body;
  CHECK(test.encoder.encode_relayed(view, 9, 150) == send_status::accepted);
  const std::vector<std::byte> all = test.encoder.frame().bytes();
  wire::frame_view frame;
  frame.header = wire::decode_header(std::span(all).first<wire::header_size>());
  frame.payload = std::span(all).subspan(wire::header_size);
  const auto got = wire::decode_message(frame);
  REQUIRE(got);
  CHECK(got->kind == wire::message_kind::relayed);
  CHECK(got->sequence == 9);
  CHECK(got->type == view.type);
  CHECK(std::vector<std::byte>(got->body.begin(), got->body.end()) == body);
  CHECK(test.encoder.encode_relayed(view, 9, 151) == send_status::queue_full);
  const std::vector<std::byte> more(101);
  view.body = more;
  CHECK(test.encoder.encode_relayed(view, 9, 0) == send_status::message_too_large);
  fixture small(cohort::channel_options().queue_limit(100));
  view.body = std::span(body).first(77);
  CHECK(small.encoder.encode_relayed(view, 9, 0) == send_status::message_too_large);
  view.body = std::span(body).first(76);
  CHECK(small.encoder.encode_relayed(view, 9, 0) == send_status::accepted);
  CHECK(small.encoder.encode_relayed(view, 9, 1) == send_status::queue_full);
}

} // namespace message_encoder_test
