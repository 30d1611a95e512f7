// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/message_frame.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <span>
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
  for (const unsigned kind : {0u, 5u, 0xffffu}) {
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

} // namespace message_frame_test
