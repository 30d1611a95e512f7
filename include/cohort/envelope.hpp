// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/handle.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>
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
  /// Who sent it, where that is a worker: to its primary, or to another worker. Else 0.
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

template <class Message>
inline constexpr bool is_variant = false;
template <class... Alternatives>
inline constexpr bool is_variant<std::variant<Alternatives...>> = true;

/// The first alternative that `Functions` cannot be called with; `void` when there is none.
template <class Functions, class... Alternatives>
constexpr auto first_untaken(const std::variant<Alternatives...>*)
{
  constexpr std::size_t count = sizeof...(Alternatives);
  constexpr std::array<bool, count> taken{std::is_invocable_v<Functions, Alternatives&>...};
  constexpr auto first = std::find(taken.begin(), taken.end(), false) - taken.begin();
  using all = std::tuple<std::type_identity<Alternatives>..., std::type_identity<void>>;
  return std::tuple_element_t<first, all>();
}

/// The compiler's note about this one names the type.
template <class Alternative>
constexpr bool all_taken()
{
  constexpr bool taken = std::is_void_v<Alternative>;
  static_assert(taken, "no function given to visit takes a message of this type, or two do");
  return taken;
}

} // namespace detail

template <class Message>
template <class... Functions>
decltype(auto) envelope<Message>::visit(Functions&&... functions)
{
  constexpr bool several = detail::is_variant<Message>;
  static_assert(several, "this envelope has one type of message: see envelope::message");
  constexpr bool objects = (std::is_class_v<std::decay_t<Functions>> && ...);
  static_assert(objects, "visit takes lambdas and other function objects");
  if constexpr (several && objects) {
    using visitor = detail::overloaded<std::decay_t<Functions>...>;
    using untaken = decltype(detail::first_untaken<visitor>(&message));
    if constexpr (detail::all_taken<typename untaken::type>())
      return std::visit(visitor{std::forward<Functions>(functions)...}, message);
  }
}

} // namespace cohort
