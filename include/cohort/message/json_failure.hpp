// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/error.hpp>
#include <cohort/message/codec.hpp>
#include <cohort/message/json_text.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace cohort::detail {

/// Says what is wrong with a message, and where. All functions return false, for the caller to do
/// the same.
class json_failure {
public:
  explicit json_failure(decode_error& error) noexcept : error_(error) {}

  bool fail(std::string reason);
  /// On the way back from a failure, innermost first: where it was.
  bool in_member(std::string_view name) { return in_segment(std::string(name)); }
  bool in_element(std::size_t index) { return in_segment('[' + std::to_string(index) + ']'); }
  bool in_key(std::string_view key) { return in_segment("[\"" + printable(key) + "\"]"); }

private:
  bool in_segment(std::string segment);

  decode_error& error_;
};

// Implementation

inline bool json_failure::fail(std::string reason)
{
  error_ = {error::invalid_message, "", std::move(reason)};
  return false;
}

inline bool json_failure::in_segment(std::string segment)
{
  if (!error_.path.empty() && error_.path.front() != '[') segment += '.';
  error_.path.insert(0, segment);
  return false;
}

} // namespace cohort::detail
