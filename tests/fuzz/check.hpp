// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/allocations.hpp"

#include <cohort/error.hpp>
#include <cohort/message/byte_sink.hpp>
#include <cohort/message/codec.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

// What the fuzz targets have in common.

namespace cohort_test::fuzz {

inline void require(bool condition, const char* what)
{
  if (!condition) throw std::logic_error(what);
}

using byte_span = std::span<const std::byte>;

/// Calls `visit.operator()<Type>()` for one of the types, which the input's first byte chooses, or
/// not at all when the input is empty.
template <class... Types, class Visit>
void with_chosen_type(byte_span input, Visit visit)
{
  if (input.empty()) return;
  const auto which = static_cast<std::size_t>(input.front()) % sizeof...(Types);
  std::size_t index = 0;
  ((index++ == which ? visit.template operator()<Types>() : void()), ...);
}

template <class Codec, class Message>
std::vector<std::byte> encoded(Message&& message)
{
  cohort::byte_sink sink;
  Codec::encode(std::forward<Message>(message), sink);
  return sink.bytes();
}

/// Decodes, and looks at what that took and at the error.
template <class Codec, class Message>
std::optional<Message> decoded(byte_span bytes)
{
  // Elements may be larger in memory than in the message, and vectors grow by doubling: a constant
  // factor. The rest is for reasons, which name each level.
  const std::size_t enough = 128 * 1024 + 256 * bytes.size();
  cohort::decode_error error;
  std::optional<Message> message;
  const auto taken =
      allocations_of([&] { message = Codec::template decode<Message>(bytes, error); });
  require(taken.bytes <= enough, "memory in proportion to the message");
  if (message) {
    require(!error.code, "no error with a message");
  } else {
    require(error.code == cohort::error::invalid_message, "an error without a message");
    require(!error.reason.empty(), "an error has a reason");
  }
  return message;
}

} // namespace cohort_test::fuzz
