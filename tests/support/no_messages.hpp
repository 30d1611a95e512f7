// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/binary.hpp>
#include <cohort/message_endpoint.hpp>

namespace cohort_test {

/// A worker's or a primary's side of a protocol without any message.
inline cohort::detail::message_side no_messages()
{
  using nothing = cohort::messages<>;
  using protocol = cohort::protocol<nothing, nothing, cohort::binary_codec>;
  return cohort::detail::describe_side<nothing, nothing, protocol>(
      [](auto& core) { core.start(); });
}

} // namespace cohort_test
