// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/control.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace control_test {

using namespace cohort::detail;

namespace {

wire::address_bytes address(std::string_view text)
{
  return wire::address_bytes(std::as_bytes(std::span(text)));
}

template <class Function>
void for_each_sample(Function function)
{
  function(wire::hello{wire::protocol_version, 0, 10203, 0x1122334455667788});
  function(wire::listen{7, wire::listen_kind::unix_stream, 3, 65535, 511, 0660, address("a/path"),
      0, {}, wire::shared_bytes(std::string_view("a\0b", 3))});
  function(wire::listen{
      7, wire::listen_kind::unix_stream, 0, 0, 1, 0, {}, 0, wire::path_text("/a/long/path"), {}});
  function(wire::listen{8, wire::listen_kind::inherited_datagram, wire::listen_reuse_address, 0, 1,
      0, {}, 0xfffffffe, {}, {}});
  function(wire::listen{
      9, wire::listen_kind::tcp, wire::listen_any_host, 1, 1, 0, address("any"), 0, {}, {}});
  function(wire::listen{
      9, wire::listen_kind::named_stream, 0, 2, 1, 0, {}, 0, wire::path_text("http"), {}});
  function(wire::listen());
  function(wire::close{0xfffffffe});
  function(wire::credit{1, 128});
  function(wire::credit{1, 0});
  function(wire::taken{1, 0xffffffffffffffff, 128, 65535});
  function(wire::refused{4, 5, 6, wire::refuse_reason::unusable});
  function(wire::released{4, 0xffffffff});
  function(wire::leaving());
  function(wire::bye());
  function(wire::load{0xfffffffd});
  function(wire::accepted{4, 128, 0});
  function(wire::accepted{4, 3, 2});
  function(wire::listening{0xfffffffc});
  function(wire::ready());
  function(wire::served{0xfffffffa});
  function(wire::replace());
  function(wire::relays());
  function(wire::beat{0xfffffff9});
  function(wire::reload{wire::value_name("web")});
  function(wire::reload());
  function(wire::value{wire::value_name("name"), wire::value_text("text")});
  function(wire::value{wire::value_name("n"), {}});
  function(wire::listen_reply{9, wire::error_kind::none, 0, 3, wire::sharing::offers,
      address("0123456789abcdef"), wire::path_text("/long"), wire::shared_bytes("keys")});
  for (const auto how : {wire::sharing::one_socket, wire::sharing::own_socket})
    function(wire::listen_reply{9, wire::error_kind::none, 0, 3, how, {}, {}, {}});
  for (const auto kind : {wire::error_kind::system, wire::error_kind::cohort})
    function(wire::listen_reply{9, kind, -98, 0, wire::sharing::offers, {}, {}, {}});
  function(wire::offer{2, 1ull << 40, 64});
  function(wire::drain());
  function(wire::bye_ack());
  function(wire::turn{0xfffffffb, 0});
  function(wire::turn{1, 1});
  function(wire::watch{0xfffffff8});
}

template <class Message>
constexpr bool from_worker =
    !std::is_same_v<Message, wire::listen_reply> && !std::is_same_v<Message, wire::offer> &&
    !std::is_same_v<Message, wire::drain> && !std::is_same_v<Message, wire::bye_ack> &&
    !std::is_same_v<Message, wire::turn> && !std::is_same_v<Message, wire::watch>;

template <class Message>
constexpr bool from_primary = !from_worker<Message> || std::is_same_v<Message, wire::hello>;

template <class Message>
struct expect_visit {
  const Message& expected;
  int& calls;

  template <class Other>
  void operator()(const Other& seen) const
  {
    ++calls;
    if constexpr (std::is_same_v<Other, Message>) CHECK(seen == expected);
    else FAIL("visited as another message");
  }
};

template <std::size_t Capacity>
wire::frame_view view(const wire::control_frame<Capacity>& frame)
{
  return {wire::decode_header(frame.bytes().template first<wire::header_size>()), frame.payload()};
}

} // namespace

TEST_CASE("every message round trips")
{
  for_each_sample([](const auto& message) {
    using message_type = std::decay_t<decltype(message)>;
    std::vector<std::byte> payload;
    wire::encode(message, payload);
    std::error_code ec = cohort::error::truncated;
    CHECK(wire::decode<message_type>(payload, ec) == message);
    CHECK_FALSE(ec);
  });
}

TEST_CASE("every truncation and every extension of a message is an error")
{
  for_each_sample([](const auto& message) {
    using message_type = std::decay_t<decltype(message)>;
    std::vector<std::byte> payload;
    wire::encode(message, payload);
    std::error_code ec;
    for (std::size_t size = 0; size != payload.size(); ++size) {
      wire::decode<message_type>(std::span(payload).first(size), ec);
      CHECK(ec == cohort::error::protocol_violation);
    }
    for (int extra = 0; extra != 3; ++extra) {
      payload.push_back(std::byte(0));
      wire::decode<message_type>(payload, ec);
      CHECK(ec == cohort::error::protocol_violation);
    }
  });
}

TEST_CASE("the bytes of a message are those of the documentation")
{
  const wire::control_frame frame(wire::taken{0x01020304, 0x05060708090a0b0c, 3, 0x0e0f});
  const unsigned char expected[] = {16, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 12,
      11, 10, 9, 8, 7, 6, 5, 3, 0, 0x0f, 0x0e};
  REQUIRE(frame.bytes().size() == sizeof(expected));
  for (std::size_t i = 0; i != sizeof(expected); ++i)
    CHECK(frame.bytes()[i] == std::byte(expected[i]));
}

TEST_CASE("offers and sockets declare their descriptors, other frames have none")
{
  for_each_sample([](const auto& message) {
    using message_type = std::decay_t<decltype(message)>;
    const wire::control_frame frame(message);
    const auto header = view(frame).header;
    CHECK(header.length == frame.payload().size());
    CHECK(header.type == static_cast<std::uint16_t>(message_type::type));
    CHECK(header.flags == 0);
    CHECK(header.sequence == 0);
    if constexpr (std::is_same_v<message_type, wire::offer>)
      CHECK(header.descriptors == message.count);
    else if constexpr (std::is_same_v<message_type, wire::listen_reply>)
      CHECK(header.descriptors == (message.how == wire::sharing::offers ? 0 : 1));
    else CHECK(header.descriptors == 0);
  });
}

TEST_CASE("the largest messages fill a control frame, and small ones have a small one")
{
  const std::vector<std::byte> longest(wire::address_bytes::capacity, std::byte(1));
  const std::string much(4096, 'x');
  wire::listen request;
  request.address = wire::address_bytes(longest);
  request.path = wire::path_text(std::string_view(much).substr(1));
  request.data = wire::shared_bytes(much);
  const wire::control_frame asked(request);
  CHECK(asked.payload().size() == wire::listen::largest);
  CHECK(asked.payload().size() == 8344);
  wire::listen_reply reply;
  reply.address = request.address;
  reply.path = request.path;
  reply.data = request.data;
  const wire::control_frame answered(reply);
  CHECK(answered.payload().size() == wire::listen_reply::largest);
  CHECK(answered.payload().size() <= wire::max_control_payload);
  for_each_sample([](const auto& message) {
    const wire::control_frame frame(message);
    CHECK(frame.bytes().size() <= sizeof frame);
    using message_type = std::decay_t<decltype(message)>;
    if constexpr (!requires { message_type::largest; }) CHECK(sizeof frame <= 128);
  });
}

TEST_CASE("a text that claims more bytes than it may have is refused")
{
  wire::listen_reply reply;
  std::vector<std::byte> payload;
  wire::encode(reply, payload);
  // The last two numbers are the sizes of the path and the data, both at their ends.
  for (const std::size_t capacity : {wire::shared_bytes::capacity, wire::path_text::capacity}) {
    const bool is_path = capacity == wire::path_text::capacity;
    for (std::size_t size = capacity; size != capacity + 2; ++size) {
      std::vector<std::byte> longer(payload.begin(), payload.end() - (is_path ? 4 : 2));
      longer.push_back(std::byte(size & 0xff));
      longer.push_back(std::byte(size >> 8));
      longer.resize(longer.size() + size + (is_path ? 2 : 0));
      std::error_code ec;
      wire::decode<wire::listen_reply>(longer, ec);
      CHECK(!ec == (size == capacity));
    }
  }
}

TEST_CASE("an address that claims more bytes than an address has is refused")
{
  wire::listen_reply reply;
  std::vector<std::byte> payload;
  wire::encode(reply, payload);
  // Behind it come the sizes of the path and the data.
  payload[payload.size() - 5] = std::byte(129);
  payload.resize(payload.size() + 129);
  std::error_code ec;
  wire::decode<wire::listen_reply>(payload, ec);
  CHECK(ec == cohort::error::protocol_violation);
}

TEST_CASE("a hello of another version is told apart, whatever else it holds")
{
  std::vector<std::byte> payload(2, std::byte(9));
  std::error_code ec;
  for (int size = 2; size != 40; ++size) {
    wire::decode<wire::hello>(payload, ec);
    CHECK(ec == cohort::error::version_mismatch);
    payload.push_back(std::byte(0xff));
  }
}

TEST_CASE("each side understands what the other may send, and nothing else")
{
  for_each_sample([](const auto& message) {
    using message_type = std::decay_t<decltype(message)>;
    const wire::control_frame frame(message);
    int calls = 0;
    std::error_code ec;
    wire::visit_from_worker(view(frame), expect_visit<message_type>{message, calls}, ec);
    CHECK(calls == (from_worker<message_type> ? 1 : 0));
    CHECK(!ec == from_worker<message_type>);
    calls = 0;
    ec.clear();
    wire::visit_from_primary(view(frame), expect_visit<message_type>{message, calls}, ec);
    CHECK(calls == (from_primary<message_type> ? 1 : 0));
    CHECK(!ec == from_primary<message_type>);
  });
}

TEST_CASE("an unknown type or a wrong number of descriptors is a violation")
{
  const auto never = [](const auto&) { FAIL("visited"); };
  std::error_code ec;
  for (unsigned type = 0; type != 0x10000; ++type) {
    if ((type >= 1 && type <= 20) || (type >= 24 && type <= 27) || type == 32) continue;
    wire::frame_view frame;
    frame.header.type = static_cast<std::uint16_t>(type);
    wire::visit_from_worker(frame, never, ec);
    REQUIRE(ec == cohort::error::protocol_violation);
    wire::visit_from_primary(frame, never, ec);
    REQUIRE(ec == cohort::error::protocol_violation);
  }
  const wire::control_frame offer(wire::offer{1, 1, 2});
  const wire::control_frame drain{wire::drain()};
  for (unsigned descriptors = 0; descriptors != 4; ++descriptors) {
    auto frame = view(offer);
    frame.header.descriptors = static_cast<std::uint8_t>(descriptors);
    if (descriptors != 2) {
      wire::visit_from_primary(frame, never, ec);
      CHECK(ec == cohort::error::protocol_violation);
    }
    frame = view(drain);
    frame.header.descriptors = static_cast<std::uint8_t>(descriptors);
    if (descriptors != 0) {
      wire::visit_from_primary(frame, never, ec);
      CHECK(ec == cohort::error::protocol_violation);
    }
  }
}

} // namespace control_test
