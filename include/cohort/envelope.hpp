// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/handle.hpp>
#include <cohort/worker_id.hpp>

#include <utility>
#include <variant>
#include <vector>

namespace cohort {

/// A message as it was received, with what came along.
template <class Message>
struct envelope {
  /// A `std::variant` of all types that can come; just the message when one type was waited for.
  Message message{};
  /// The descriptors sent with it, in order.
  std::vector<handle> handles;
  /// Who sent it, where that is a worker; else 0.
  worker_id worker = 0;
  /// Fewer handles arrived than were sent: this process had no room in its descriptor table.
  bool handles_lost = false;

  /// Calls the one of `functions` that takes the message's type, as `std::visit` does.
  template <class... Functions>
  decltype(auto) visit(Functions&&... functions);
};

// Implementation

namespace detail {

template <class... Functions>
struct overloaded : Functions... {
  using Functions::operator()...;
};

template <class... Functions>
overloaded(Functions...) -> overloaded<Functions...>;

} // namespace detail

template <class Message>
template <class... Functions>
decltype(auto) envelope<Message>::visit(Functions&&... functions)
{
  return std::visit(detail::overloaded{std::forward<Functions>(functions)...}, message);
}

} // namespace cohort
