// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/message_frame.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace message_frame_test {

namespace wire = cohort::detail::wire;

namespace {

wire::frame_view view_of(std::span<const std::byte> frame)
{
  wire::frame_view view;
  view.header = wire::decode_header(frame.first<wire::header_size>());
  view.payload = frame.subspan(wire::header_size);
  return view;
}

} // namespace

TEST_CASE("the head of a message is 24 bytes, little-endian")
{
  std::array<std::byte, wire::message_head_size> head{};
  wire::encode_message_head(
      wire::message_kind::request, 0x0102030405060708, {0x11223344, 0x55667788}, 5, 3, head);
  const unsigned expected[] = {13, 0, 0, 0, 2, 0, 3, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0x44, 0x33, 0x22,
      0x11, 0x88, 0x77, 0x66, 0x55};
  for (std::size_t i = 0; i != head.size(); ++i)
    CHECK(std::to_integer<unsigned>(head[i]) == expected[i]);
}

TEST_CASE("a message is read as it was written")
{
  for (const auto kind : {wire::message_kind::message, wire::message_kind::request,
           wire::message_kind::reply, wire::message_kind::failure}) {
    const std::size_t body = kind == wire::message_kind::failure ? 0 : 7;
    std::vector<std::byte> frame(wire::message_head_size + body, std::byte(9));
    wire::encode_message_head(
        kind, 77, {1, 2}, body, 0, std::span(frame).first<wire::message_head_size>());
    const auto read = wire::decode_message(view_of(frame));
    REQUIRE(read);
    CHECK(read->kind == kind);
    CHECK(read->sequence == 77);
    CHECK(read->type == wire::message_type_id{1, 2});
    CHECK(read->body.size() == body);
  }
}

TEST_CASE("frames of an unknown kind, without a type, or failures with something in them are none")
{
  std::vector<std::byte> frame(wire::message_head_size + 1);
  const auto head = std::span(frame).first<wire::message_head_size>();
  for (const unsigned kind : {0u, 7u, 0xffffu}) {
    wire::encode_message_head(static_cast<wire::message_kind>(kind), 0, {}, 1, 0, head);
    CHECK_FALSE(wire::decode_message(view_of(frame)));
  }
  wire::encode_message_head(wire::message_kind::failure, 0, {}, 1, 0, head);
  CHECK_FALSE(wire::decode_message(view_of(frame)));
  wire::encode_message_head(wire::message_kind::failure, 0, {}, 0, 1, head);
  CHECK_FALSE(wire::decode_message(view_of(head)));
  wire::encode_message_head(wire::message_kind::message, 0, {}, 0, 0, head);
  for (std::size_t size = 0; size != 8; ++size)
    CHECK_FALSE(wire::decode_message(view_of(head.first(wire::header_size + size))));
  CHECK(wire::decode_message(view_of(head)));
}

TEST_CASE("a message to others names one of them, or a group, or nobody for all")
{
  const auto relay = [](std::uint64_t worker, std::string_view group) {
    std::vector<std::byte> frame(wire::relay_head_size(group.size()) + 3, std::byte(9));
    wire::encode_relay_head(worker, group, {1, 2}, 3, frame);
    return frame;
  };
  const auto read = [](const std::vector<std::byte>& frame) {
    return wire::decode_message(view_of(frame));
  };
  const auto frame = relay(0, "web");
  const unsigned expected[] = {16, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 'w', 'e', 'b',
      1, 0, 0, 0, 2, 0, 0, 0, 9, 9, 9};
  REQUIRE(frame.size() == std::size(expected));
  for (std::size_t i = 0; i != frame.size(); ++i)
    CHECK(std::to_integer<unsigned>(frame[i]) == expected[i]);
  const std::string longest(wire::max_group_name, 'g');
  for (const auto& [worker, group] : std::vector<std::pair<std::uint64_t, std::string>>{
           {0, "web"}, {0, longest}, {0, ""}, {5, ""}}) {
    const auto sent = relay(worker, group);
    const auto got = read(sent);
    REQUIRE(got);
    CHECK(got->kind == wire::message_kind::relay);
    CHECK(got->sequence == worker);
    CHECK(got->group == group);
    CHECK(got->type == wire::message_type_id{1, 2});
    CHECK(got->body.size() == 3);
  }
  CHECK_FALSE(read(relay(5, "web")));
  CHECK_FALSE(read(relay(0, longest + 'g')));
}

TEST_CASE("what goes from worker to worker has no descriptors, and a name within its payload")
{
  std::vector<std::byte> frame(wire::relay_head_size(3));
  wire::encode_relay_head(0, "web", {1, 2}, 0, frame);
  for (std::size_t size = wire::header_size; size != frame.size(); ++size)
    CHECK_FALSE(wire::decode_message(view_of(std::span(frame).first(size))));
  CHECK(wire::decode_message(view_of(frame)));
  // One more for the name is one less for the type.
  frame[wire::header_size] = std::byte(4);
  CHECK_FALSE(wire::decode_message(view_of(frame)));
  frame[wire::header_size] = std::byte(3);
  frame[6] = std::byte(1);
  CHECK_FALSE(wire::decode_message(view_of(frame)));
  std::array<std::byte, wire::message_head_size> head{};
  wire::encode_message_head(wire::message_kind::relayed, 3, {1, 2}, 0, 1, head);
  CHECK_FALSE(wire::decode_message(view_of(head)));
  wire::encode_message_head(wire::message_kind::relayed, 3, {1, 2}, 0, 0, head);
  CHECK(wire::decode_message(view_of(head)));
}

} // namespace message_frame_test
