// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/message/byte_sink.hpp>
#include <cohort/message/message_name.hpp>

#include <boost/describe/class.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
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

} // namespace cohort_test
