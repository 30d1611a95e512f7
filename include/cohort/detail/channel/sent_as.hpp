// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/protocol.hpp>

#include <type_traits>
#include <utility>

namespace cohort::detail {

/// What is sent for an argument: for the only type of an untyped list whatever converts to it.
template <class List, class Message>
decltype(auto) to_sent(Message&& message)
{
  using type = std::remove_cvref_t<Message>;
  if constexpr (!List::template contains<type> &&
                std::is_convertible_v<Message, typename List::value> &&
                std::is_same_v<List, list_of_t<untyped<typename List::value>>>)
    return typename List::value(std::forward<Message>(message));
  else return std::forward<Message>(message);
}

template <class List, class Message>
using sent_as = std::remove_cvref_t<decltype(to_sent<List>(std::declval<Message>()))>;

} // namespace cohort::detail
